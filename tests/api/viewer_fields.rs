//! Fields that depend on the viewer: batched, and never those of another viewer.

use async_graphql::futures_util::future::join_all;
use serde_json::json;

use crate::app::TestApp;
use crate::movie::global_id;
use crate::support::database::Backend;

on_both!(simultaneous_viewers_see_their_own_values, viewer_fields_of_a_page_cost_one_statement);

const QUERY: &str = "query($movies: [ID!]!, $texts: [ID!]!, $comments: [ID!]!) {
    viewer { username email sessions { totalCount } } ann: user(username: \"ann\") { email birthday role }
    movies: nodes(ids: $movies) { ... on Movie { viewerRating } }
    texts: nodes(ids: $texts) { ... on Publication { viewerRating canEdit } }
    comments: nodes(ids: $comments) { ... on Comment { canEdit } } }";

async fn simultaneous_viewers_see_their_own_values(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let (ann, bob) = (app.sign_in("ann", "member").await, app.sign_in("bob", "member").await);
    let movies: Vec<_> = (1..=10).map(|key| global_id("Movie", key)).collect();
    let mut texts = Vec::new();
    let mut comments = Vec::new();
    for (user, given) in [(&ann, 1), (&bob, 5)] {
        for movie in &movies {
            user.done("rate", json!({ "subjectId": movie, "rating": given }), "rating { id }").await;
        }
        let text = json!({ "title": "Т", "text": "Т", "categoryId": global_id("PublicationCategory", 1) });
        let id = user.done("createPublication", text, "publication { id }").await["publication"]["id"].clone();
        user.done("rate", json!({ "subjectId": id, "rating": given }), "rating { id }").await;
        let said = json!({ "subjectId": id, "text": "Да" });
        comments.push(user.done("addComment", said, "comment { id }").await["comment"]["id"].clone());
        texts.push(id);
    }
    let variables = json!({ "movies": movies, "texts": texts, "comments": comments });
    let expected = |given: Option<i32>, own: Option<usize>| {
        let text = |place: usize| json!({ "viewerRating": given.filter(|_| own == Some(place)), "canEdit": own == Some(place) });
        let name = own.map(|place| ["ann", "bob"][place]);
        let viewer = name.map(|name| {
            json!({
                "username": name, "email": format!("{name}@example.org"), "sessions": { "totalCount": 1 },
            })
        });
        let ann = if own == Some(0) {
            json!({ "email": "ann@example.org", "birthday": "1990-01-01", "role": "MEMBER" })
        } else {
            json!({ "email": null, "birthday": null, "role": null })
        };
        json!({
            "viewer": viewer, "ann": ann,
            "movies": vec![json!({ "viewerRating": given }); 10], "texts": [text(0), text(1)],
            "comments": [{ "canEdit": own == Some(0) }, { "canEdit": own == Some(1) }],
        })
    };
    let wanted = [expected(Some(1), Some(0)), expected(Some(5), Some(1)), expected(None, None)];
    for _ in 0..60 {
        let answers = join_all((0..12).map(|number| {
            let (app, ann, bob, variables) = (&app, &ann, &bob, variables.clone());
            async move {
                match number % 3 {
                    0 => ann.data(QUERY, variables).await,
                    1 => bob.data(QUERY, variables).await,
                    _ => app.data(QUERY, variables).await,
                }
            }
        }))
        .await;
        for (number, answer) in answers.iter().enumerate() {
            assert_eq!(*answer, wanted[number % 3]);
        }
    }
}

async fn viewer_fields_of_a_page_cost_one_statement(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let ann = app.sign_in("ann", "member").await;
    let look_ups = async |first: i32| {
        let query = format!("{{ movies(first: {first}) {{ nodes {{ viewerRating }} }} }}");
        let statements = app.statements_while(async || drop(ann.data(&query, json!({})).await)).await;
        statements.iter().filter(|statement| statement.sql.contains("users_rating")).count()
    };
    assert_eq!((look_ups(2).await, look_ups(50).await), (1, 1));
    // For an anonymous viewer, no rating is looked up.
    let nobody = app.statements_of("{ movies(first: 2) { nodes { viewerRating } } }", json!({})).await;
    assert!(nobody.iter().all(|statement| !statement.contains("users_rating")), "{nobody:?}");
}
