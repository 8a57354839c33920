//! Comments, their lists and threads.

use sea_orm::ConnectionTrait;
use serde_json::{Value, json};

use super::asked::{Asker, Beside};
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
    subject { __typename ... on Node { id } ...M ... on Publication { title viewerRating userRating { average count } } } }
    fragment M on Movie { title year viewerRating userRating { average count histogram } }";

/// The comments with the largest threads, the last of those that begin none, and comments of all kinds.
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
    let page =
        "totalCount pageInfo { hasPreviousPage hasNextPage startCursor endCursor } edges { cursor node { ...C } }";
    for (parent, id) in [
        ("Movie", json!(global_id("Movie", 3))),
        ("Publication", busiest(&beside, "Publication", "publication_id").await),
        ("User", busiest(&beside, "User", "user_id").await),
        ("User", json!(global_id("User", ann.user.id))),
        ("Comment", busiest(&beside, "Comment", "parent_id").await),
        ("Comment", tangle[1].clone()),
    ] {
        let field = if parent == "Comment" { "replies" } else { "comments" };
        // Users are found by what they said.
        let (find, on) = match parent {
            "User" => ("authors: nodes(ids: $ids)", "Comment { author { "),
            _ => ("nodes(ids: $ids)", parent),
        };
        let (open, close) = if parent == "User" { ("", " }") } else { (" {", "") };
        let ids = if parent == "User" { said_by(&beside, &id).await } else { vec![id] };
        for arguments in ARGUMENTS {
            let query = format!(
                "query($ids: [ID!]!) {{ {find} {{ ... on {on}{open} {field}{arguments} {{ {page} }} {close} }} }} }} {COMMENT}"
            );
            for asker in [&nobody, &ann] {
                let shown = beside.alike(asker, &query, &json!({ "ids": ids })).await;
                follow(&beside, asker, &query, arguments, &shown, &ids).await;
            }
        }
    }
}

/// Arguments of lists of comments.
const ARGUMENTS: &[&str] = &[
    "",
    "(first: 2)",
    "(last: 2)",
    "(first: 2, orderBy: OLDEST)",
    "(first: 2, orderBy: NEWEST)",
    "(last: 2, orderBy: OLDEST)",
    "(first: 0)",
    "(first: 100, orderBy: NEWEST)",
    "(first: 101)",
    "(first: -1)",
    "(first: 1, last: 1)",
    "(after: \"nonsense\")",
];

/// Asks for the pages before and behind.
async fn follow(beside: &Beside, asker: &Asker, query: &str, arguments: &str, shown: &Value, ids: &[Value]) {
    let Some(info) = find_key(shown, "pageInfo") else { return };
    for (cursor, named) in [("startCursor", "before"), ("endCursor", "after")] {
        let Some(cursor) = info[cursor].as_str() else { continue };
        for order in ["", ", orderBy: NEWEST", ", orderBy: OLDEST"] {
            let size = if named == "before" { "last: 2" } else { "first: 2" };
            let further = format!("({size}, {named}: \"{cursor}\"{order})");
            let query = if arguments.is_empty() {
                query.replacen(" { totalCount", &format!("{further} {{ totalCount"), 1)
            } else {
                query.replacen(arguments, &further, 1)
            };
            beside.alike(asker, &query, &json!({ "ids": ids })).await;
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
        "SELECT {column} FROM comments WHERE {column} IS NOT NULL GROUP BY {column} ORDER BY count(*) DESC, {column} LIMIT 1"
    );
    beside.ids(type_name, &sql).await.remove(0)
}

/// A comment of a user.
async fn said_by(beside: &Beside, user: &Value) -> Vec<Value> {
    let (_, key) = kinoteka::kit::id::split(user.as_str().unwrap()).unwrap();
    beside.ids("Comment", &format!("SELECT max(id) FROM comments WHERE user_id = {key}")).await
}

async fn threads_are_answered_alike(backend: Backend) {
    let beside = Beside::seeded(backend).await;
    let [nobody, ann, editor] = beside.askers().await;
    let mut ids = roots(&beside).await;
    ids.extend(tangle(&beside, &ann.user, &editor.user).await);
    ids.truncate(100);
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
    for (depth, first) in [(0, 1), (1, 2), (2, 500), (31, 500), (32, 500), (32, 66), (32, 65), (32, 64)] {
        let id = ids.iter().rfind(|id| **id != Value::Null).unwrap();
        for id in [&ids[0], id] {
            beside.data(&nobody, query, &json!({ "id": id, "depth": depth, "first": first })).await;
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
