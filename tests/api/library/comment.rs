//! Comments, their lists and threads.

use graphql::Request;
use kinoteka::http::Limits;
use kinoteka::library;
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};

use super::asker::{Asker, Beside};
use crate::app::User;
use crate::movie::global_id;
use crate::support::database::Backend;

on_both!(
    comments_are_answered_alike,
    pages_of_comments_are_answered_alike,
    threads_are_answered_alike,
    bad_arguments_of_comments_are_refused_alike,
    comments_cost_no_more_statements,
);

/// All fields of a comment.
const COMMENT: &str = "fragment C on Comment { __typename id text createdAt changedAt author { id username fullName }
    isDeleted isHidden canEdit depth replyCount parent { id text depth isDeleted author { username } }
    subject { __typename ... on Node { id } ...M
        ... on Publication { title viewerRating userRating { average count } } } }
    fragment M on Movie { title year viewerRating userRating { average count histogram } }";

/// Comments with replies.
async fn roots(beside: &Beside) -> Vec<Value> {
    beside
        .ids("Comment", "SELECT id FROM comments WHERE id IN (SELECT parent_id FROM comments) ORDER BY id LIMIT 40")
        .await
}

async fn say(user: &User, subject: &Value, parent: &Value, text: &str) -> Value {
    let input = json!({ "subjectId": subject, "parentId": parent, "text": text });
    user.done("addComment", input, "comment { id }").await["comment"]["id"].clone()
}

/// A thread as deep as may be, with comments that were edited, deleted and hidden, and such whose authors are gone.
async fn tangle(beside: &Beside, ann: &User, editor: &User) -> Vec<Value> {
    let movie = json!(global_id("Movie", 3));
    let mut all = vec![say(ann, &movie, &Value::Null, "Начало").await];
    for level in 1..=32 {
        let parent = all.last().unwrap().clone();
        let user = if level % 2 == 0 { ann } else { editor };
        say(user, &Value::Null, &parent, "Лист \"\\\t\n🎬").await;
        all.push(say(user, &Value::Null, &parent, &format!("Уровень {level}")).await);
    }
    ann.done("editComment", json!({ "id": all[0], "text": "Правка" }), "comment { id }").await;
    for level in [4, 6] {
        ann.done("deleteComment", json!({ "id": all[level] }), "deletedId").await;
    }
    let leaf = say(ann, &Value::Null, &all[0], "Грубость").await;
    for id in [&leaf, &all[9]] {
        editor.done("hideComment", json!({ "id": id }), "comment { id }").await;
    }
    all.push(leaf);
    let gone = beside.app.sign_in("gone", "member").await;
    let orphan = beside.app.sign_in("orphan", "member").await;
    for user in [&gone, &orphan] {
        all.push(say(user, &Value::Null, &all[1], "Без автора").await);
    }
    let db = beside.app.sql().await;
    for sql in [
        format!("UPDATE users SET deleted_at = created_at WHERE id = {}", gone.id),
        format!("UPDATE comments SET user_id = NULL WHERE user_id = {}", orphan.id),
    ] {
        db.execute_unprepared(&sql).await.unwrap();
    }
    all
}

async fn comments_are_answered_alike(backend: Backend) {
    let beside = Beside::seeded(backend).await;
    let [nobody, ann, editor] = beside.askers().await;
    let tangle = tangle(&beside, &ann.user, &editor.user).await;
    let mut ids = roots(&beside).await;
    ids.extend(tangle.iter().cloned());
    ids.push(json!(global_id("Comment", i32::MAX)));
    let one = format!("query($id: ID!) {{ comment(id: $id) {{ ...C parent {{ parent {{ ...C }} }} }} }} {COMMENT}");
    let all = format!("query($ids: [ID!]!) {{ nodes(ids: $ids) {{ __typename id ...C }} }} {COMMENT}");
    for asker in [&nobody, &ann, &editor] {
        for id in [&tangle[0], &tangle[32], &tangle[4], &tangle[9], &tangle[33], &ids[0], ids.last().unwrap()] {
            beside.data(asker, &one, &json!({ "id": id })).await;
        }
        beside.data(asker, &all, &json!({ "ids": ids })).await;
    }
    let shown = beside.data(&ann, &all, &json!({ "ids": tangle })).await;
    let count = |field: &str, value: Value| {
        shown["nodes"].as_array().unwrap().iter().filter(|comment| comment[field] == value).count()
    };
    assert_eq!((count("isDeleted", json!(true)), count("isHidden", json!(true))), (4, 2));
    assert_eq!((count("depth", json!(32)), count("author", Value::Null)), (1, 6));
    assert!(count("canEdit", json!(true)) > 10 && count("canEdit", json!(false)) > 10);
    beside.data(&nobody, "{ commentCursor again: commentCursor }", &json!({})).await;
}

async fn pages_of_comments_are_answered_alike(backend: Backend) {
    let beside = Beside::seeded(backend).await;
    let [nobody, ann, editor] = beside.askers().await;
    let tangle = tangle(&beside, &ann.user, &editor.user).await;
    let author = busiest(&beside, "User", "user_id").await;
    for (id, list) in [
        (json!(global_id("Movie", 3)), "... on Movie { comments"),
        (busiest(&beside, "Publication", "publication_id").await, "... on Publication { comments"),
        (busiest(&beside, "Comment", "parent_id").await, "... on Comment { replies"),
        (tangle[1].clone(), "... on Comment { replies"),
        (said_by(&beside, &author).await, "... on Comment { author { comments"),
        (tangle[0].clone(), "... on Comment { author { comments"),
    ] {
        let query = format!(
            "query($id: ID!, $first: Int, $after: String, $last: Int, $before: String, $order: CommentOrder) {{
             node(id: $id) {{ {list}(first: $first, after: $after, last: $last, before: $before, orderBy: $order) {{
             totalCount pageInfo {{ hasPreviousPage hasNextPage startCursor endCursor }}
             edges {{ cursor node {{ ...C }} }} }} }} }} {} }} {COMMENT}",
            if list.contains("author") { "}" } else { "" },
        );
        let without_order = query.replace(", $order: CommentOrder", "").replace(", orderBy: $order", "");
        let defaults = beside.data(&nobody, &without_order, &json!({ "id": id })).await;
        assert_eq!(defaults, beside.data(&nobody, &query, &json!({ "id": id })).await);
        for asker in [&nobody, &ann] {
            for page in pages() {
                walk(&beside, asker, &query, &id, page).await;
            }
        }
    }
}

/// Pages of a list of comments.
fn pages() -> Vec<Value> {
    let mut pages = vec![
        json!({ "first": 0 }),
        json!({ "first": 100, "order": "NEWEST" }),
        json!({ "first": 101 }),
        json!({ "last": -1 }),
        json!({ "first": 1, "last": 1 }),
        json!({ "after": "nonsense" }),
    ];
    for order in ["NEWEST", "OLDEST"] {
        pages.extend([json!({ "first": 2, "order": order }), json!({ "last": 2, "order": order })]);
    }
    pages
}

/// Asks for a page, for those before and behind it, and for the latter in an order that its cursors are not made for.
async fn walk(beside: &Beside, asker: &Asker, query: &str, id: &Value, mut page: Value) {
    page["id"] = id.clone();
    let shown = beside.alike(asker, query, &page).await;
    let Some(info) = find_key(&shown, "pageInfo") else { return };
    let (before, after) = (&info["startCursor"], &info["endCursor"]);
    for order in [&page["order"], &json!("NEWEST"), &json!("OLDEST")] {
        let mut further = [
            json!({ "id": id, "first": 2, "after": after }),
            json!({ "id": id, "last": 2, "before": before }),
            json!({ "id": id, "first": 2, "after": before, "before": after }),
        ];
        for page in &mut further {
            if !order.is_null() {
                page["order"] = order.clone();
            }
            beside.alike(asker, query, page).await;
        }
    }
}

/// The first value under this key, however deep.
fn find_key<'a>(value: &'a Value, key: &str) -> Option<&'a Value> {
    match value {
        Value::Object(fields) => fields.get(key).or_else(|| fields.values().find_map(|value| find_key(value, key))),
        Value::Array(items) => items.iter().find_map(|value| find_key(value, key)),
        _ => None,
    }
}

async fn busiest(beside: &Beside, type_name: &str, column: &str) -> Value {
    let sql = format!(
        "SELECT {column} FROM comments WHERE {column} IS NOT NULL
         GROUP BY {column} ORDER BY count(*) DESC, {column} LIMIT 1"
    );
    beside.ids(type_name, &sql).await.remove(0)
}

/// A comment of a user.
async fn said_by(beside: &Beside, user: &Value) -> Value {
    let (_, key) = kinoteka::kit::id::split(user.as_str().unwrap()).unwrap();
    beside.ids("Comment", &format!("SELECT max(id) FROM comments WHERE user_id = {key}")).await.remove(0)
}

async fn threads_are_answered_alike(backend: Backend) {
    let beside = Beside::seeded(backend).await;
    let [nobody, ann, editor] = beside.askers().await;
    let tangle = tangle(&beside, &ann.user, &editor.user).await;
    let mut ids = roots(&beside).await;
    ids.extend(tangle.iter().cloned());
    for (asker, thread) in [
        (&nobody, "thread { hasMore nodes { ...C } }"),
        (&ann, "thread(first: 500) { nodes { id canEdit text } hasMore }"),
        (&ann, "thread(first: 3) { hasMore nodes { id thread(maxDepth: 1, first: 2) { hasMore nodes { ...C } } } }"),
        (&nobody, "thread(maxDepth: 0) { hasMore nodes { text isHidden } }"),
        (&nobody, "thread(maxDepth: 2, first: 1) { hasMore }"),
        (&nobody, "thread { __typename nodes { __typename } }"),
        (&editor, "a: thread(maxDepth: 1) { nodes { text } } b: thread(maxDepth: 32, first: 5) { nodes { depth } }"),
        (&editor, "thread { nodes { id } ... on CommentThread { nodes { replies(first: 1) { nodes { id } } } } }"),
    ] {
        let fragment = if thread.contains("...C") { COMMENT } else { "" };
        let query =
            format!("query($ids: [ID!]!) {{ nodes(ids: $ids) {{ ... on Comment {{ {thread} }} }} }} {fragment}");
        beside.data(asker, &query, &json!({ "ids": ids })).await;
    }
    let query = "query($id: ID!, $depth: Int!, $first: Int!) {
        comment(id: $id) { thread(maxDepth: $depth, first: $first) { hasMore nodes { id depth } } } }";
    // The tangle's root is the deepest: it has 68 comments.
    for (depth, first) in [(0, 1), (1, 2), (2, 500), (31, 500), (32, 500), (32, 69), (32, 68), (32, 67)] {
        for id in [&ids[0], &tangle[0], &tangle[31], &tangle[33]] {
            let shown = beside.data(&nobody, query, &json!({ "id": id, "depth": depth, "first": first })).await;
            if *id == tangle[0] && depth == 32 {
                assert_eq!(shown["comment"]["thread"]["hasMore"], first < 68);
            }
        }
    }
}

async fn bad_arguments_of_comments_are_refused_alike(backend: Backend) {
    let beside = Beside::seeded(backend).await;
    let [nobody, ..] = beside.askers().await;
    let ids = roots(&beside).await;
    for (selection, expected) in [
        ("thread(maxDepth: -1) { hasMore }", "BAD_USER_INPUT maxDepth: -1 is out of range; ask for 0 to 32"),
        ("thread(maxDepth: 33, first: 0) { hasMore }", "BAD_USER_INPUT maxDepth: 33 is out of range; ask for 0 to 32"),
        ("thread(first: 0) { nodes { id } }", "BAD_USER_INPUT first: 0 is out of range; ask for 1 to 500"),
        ("id text thread(first: 501) { hasMore }", "BAD_USER_INPUT first: 501 is out of range; ask for 1 to 500"),
    ] {
        let query = format!("query($id: ID!) {{ comment(id: $id) {{ {selection} }} }}");
        assert_eq!(beside.errors(&nobody, &query, &json!({ "id": ids[0] })).await, [expected]);
        let query = format!("query($ids: [ID!]!) {{ nodes(ids: $ids) {{ ... on Comment {{ {selection} }} }} }}");
        assert_eq!(beside.errors(&nobody, &query, &json!({ "ids": ids[..3] })).await, [expected; 3]);
    }
    for id in ["", "nonsense", "Q29tbWVudDow", &global_id("Movie", 1)] {
        beside.errors(&nobody, "query($id: ID!) { comment(id: $id) { id } }", &json!({ "id": id })).await;
    }
}

/// Look-ups of one kind stand at one place: those at places that are reached by ways of different length are shared by
/// chance.
const COSTS: &[&str] = &[
    "id text author { username } isDeleted isHidden canEdit depth replyCount parent { text }
     subject { ... on Movie { title viewerRating userRating { average } }
         ... on Publication { title viewerRating userRating { average } } }",
    "thread { hasMore nodes { text author { username } isDeleted depth replyCount } }",
    "replies { totalCount nodes { text depth isDeleted isHidden } }",
    "a: replies(first: 1) { nodes { text } } b: replies(first: 1) { nodes { id createdAt } }",
    "a: author { username } b: author { fullName } c: parent { text } d: parent { createdAt }",
    "a: thread(first: 5) { nodes { text } } b: thread(first: 5) { hasMore nodes { createdAt } }",
    "a: depth b: depth c: isDeleted d: isDeleted e: replyCount f: replyCount",
];

async fn comments_cost_no_more_statements(backend: Backend) {
    let beside = Beside::seeded(backend).await;
    let [nobody, ann, editor] = beside.askers().await;
    let mut ids = tangle(&beside, &ann.user, &editor.user).await.split_off(1);
    ids.push(say(&ann.user, &json!(global_id("Publication", 3)), &Value::Null, "О тексте").await);
    ids[0] = say(&ann.user, &Value::Null, ids.last().unwrap(), "Ответ").await;
    ids.extend(roots(&beside).await);
    for (asker, selection) in COSTS.iter().flat_map(|selection| [(&nobody, selection), (&ann, selection)]) {
        let query = format!("query($ids: [ID!]!) {{ nodes(ids: $ids) {{ ... on Comment {{ {selection} }} }} }}");
        let mut costs = Vec::new();
        for ids in [&ids[..2], &ids[..60]] {
            let [old, new] = beside.tables(asker, &query, &json!({ "ids": ids })).await;
            assert!(new.len() <= old.len(), "{query}\nold: {old:?}\nnew: {new:?}");
            costs.push(new);
        }
        assert_eq!(costs[0], costs[1], "{query}");
    }
}

#[test]
fn threads_cost_as_much_as_the_comments_that_they_may_have() {
    let engine = library::engine(&Limits { limit_complexity: 2_250, ..Limits::DEFAULT }, false).unwrap();
    let fits = |first: i32| {
        let query = format!("{{ comment(id: \"\") {{ thread(first: {first}) {{ nodes {{ text }} }} }} }}");
        let request = Request { query: &query, operation_name: None, variables: &serde_json::Map::new() };
        engine.prepare(&request).is_ok()
    };
    // A comment counts 1, and its text 4.
    assert!(fits(400) && !fits(500));
}
