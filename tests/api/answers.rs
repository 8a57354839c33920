//! Limits of responses: the bytes of one, and of all unsent ones.

use serde_json::json;

use crate::app::TestApp;
use crate::limits::{check, limited, plain};
use crate::slow::assert_retry_after;
use crate::support::database::{Backend, TestDatabase};
use crate::transport::{code, post, send};

/// Every byte of JSON counts, including introspection.
#[tokio::test(flavor = "multi_thread")]
async fn responses_are_bounded() {
    let wanted = "TOO_COMPLEX";
    check("limit-answer-bytes", 60, wanted, |n| plain(format!("{{ {}: __typename }}", "a".repeat(n - 21)))).await;
    check("limit-answer-bytes", 100, wanted, |n| {
        plain(format!("{{ movies(first: 1) {{ nodes {{ {}: __typename }} }} }}", "a".repeat(n - 44)))
    })
    .await;
    // A response that is too large has no partial data.
    let app = limited("limit-answer-bytes", 20_000).await;
    let texts = |rows: u32| format!("{{ publications(first: {rows}) {{ nodes {{ title text tags excerpt }} }} }}");
    let answer = app.query(&texts(40), json!({})).await.0;
    assert_eq!((code(&answer), answer.get("data")), (wanted, None), "{answer}");
    let union = "{ search(query: \"фильм\", first: 100) { nodes { node { ... on Publication { text } } } } }";
    assert_eq!(code(&app.query(union, json!({})).await.0), wanted);
    let status = |accept: &'static str| {
        let body = json!({ "query": texts(40) }).to_string();
        let app = &app;
        async move { send(post(app, body).header("accept", accept)).await.0 }
    };
    assert_eq!(status("application/json").await, 200);
    assert_eq!(status("application/graphql-response+json").await, 400);
}

/// The operations of a batch share the limit of a response.
#[tokio::test(flavor = "multi_thread")]
async fn batches_share_the_limit_of_a_response() {
    let args = ["--limit-batch", "3", "--limit-answer-bytes", "100"];
    let app = TestApp::start(TestDatabase::migrated(Backend::Sqlite).await, &args).await;
    let operation = json!({ "query": format!("{{ {}: __typename }}", "a".repeat(30)) });
    let (status, _, answer) = send(post(&app, json!([operation, operation, operation]).to_string())).await;
    assert_eq!(status, 200);
    assert!(answer[0]["data"].is_object(), "{answer}");
    assert_eq!((code(&answer[1]), code(&answer[2])), ("TOO_COMPLEX", "TOO_COMPLEX"), "{answer}");
}

/// A mutation is committed, however large its response would be.
#[tokio::test(flavor = "multi_thread")]
async fn a_mutation_with_a_too_large_response_is_committed() {
    let app = limited("limit-answer-bytes", 4_000).await;
    let member = app.sign_in("anna", "member").await;
    let input = json!({ "subjectId": crate::movie::global_id("Movie", 1), "text": "щ".repeat(3_000) });
    let answer = member.send("addComment", input, "comment { text id }").await;
    assert!(answer.errors()[0].starts_with("TOO_COMPLEX the response exceeds the limit of 4000 bytes"), "{answer}");
    assert_eq!(answer.0["data"]["it"]["comment"], json!(null), "{answer}");
    let data = app.data("{ user(username: \"anna\") { comments { totalCount } } }", json!({})).await;
    assert_eq!(data["user"]["comments"]["totalCount"], json!(1));
}

/// The batch with a mutation after a query used to hang until its timeout.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_with_a_mutation_with_a_too_large_response_completes() {
    let args = ["--limit-batch", "2", "--limit-answer-bytes", "4000"];
    let app = TestApp::start(TestDatabase::seeded(Backend::Sqlite).await, &args).await;
    let member = app.sign_in("anna", "member").await;
    let input = json!({ "subjectId": crate::movie::global_id("Movie", 1), "text": "щ".repeat(3_000) });
    let query = "mutation ($input: AddCommentInput!) { addComment(input: $input) { comment { text } } }";
    let mutation = json!({ "query": query, "variables": { "input": input } });
    let body = json!([{ "query": "{ __typename }" }, mutation]).to_string();
    let (status, _, answer) = send(post(&app, body).bearer_auth(format!("token of user {}", member.id))).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer[0], json!({ "data": { "__typename": "Query" } }));
    assert_eq!((code(&answer[1]), &answer[1]["data"]["addComment"]["comment"]), ("TOO_COMPLEX", &json!(null)));
}

/// Unsent responses of this client or others do not affect the response of a committed mutation.
#[tokio::test(flavor = "multi_thread")]
async fn a_mutation_gets_its_response_in_spite_of_unsent_ones() {
    for limit in ["limit-unsent-bytes-per-client", "limit-unsent-bytes"] {
        let app = limited(limit, 100_000).await;
        let member = app.sign_in("anna", "member").await;
        let texts: String = (0..30).map(|i| format!("a{i}: text ")).collect();
        let text = "щ".repeat(3_000);
        let input = json!({ "subjectId": crate::movie::global_id("Movie", 1), "text": text });
        let answer = member.send("addComment", input, &format!("comment {{ {texts} }}")).await;
        assert_eq!(answer.0.get("errors"), None, "{limit}");
        assert_eq!(answer.0["data"]["it"]["comment"]["a29"], json!(text));
    }
}

/// An unsent response counts for its client and in total.
#[tokio::test(flavor = "multi_thread")]
async fn unsent_responses_are_bounded() {
    for (limit, status, wanted) in
        [("limit-unsent-bytes-per-client", 429, "RATE_LIMITED"), ("limit-unsent-bytes", 503, "UNAVAILABLE")]
    {
        let app = limited(limit, 100_000).await;
        let page = |rows: u32| json!({ "query": format!("{{ movies(first: {rows}) {{ nodes {{ id title }} }} }}") });
        assert_eq!(send(post(&app, page(100).to_string())).await.0, 200, "small responses do not count");
        let dear = "{ publications(first: 60) { nodes { a: text b: text c: text } } }";
        let (refused, headers, answer) = send(post(&app, json!({ "query": dear }).to_string())).await;
        assert_eq!((refused, code(&answer)), (status, wanted), "{answer}");
        assert_eq!(answer["errors"][0]["extensions"]["limit"], json!(limit));
        assert_retry_after(&headers, &answer, 5);
    }
}
