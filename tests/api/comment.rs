//! Mutations of comments: position, rights, and deletion.

use async_graphql::futures_util::future::{join, join_all};
use entity::{comment_tombstones, comments};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, Statement};
use serde_json::{Value, json};

use crate::app::{TestApp, User};
use crate::movie::global_id;
use crate::support::database::Backend;

on_both!(
    a_comment_is_added_to_its_subject,
    comments_of_a_subject_are_listed_with_replies,
    a_reply_has_the_subject_of_its_parent,
    text_is_checked_at_both_bounds,
    threads_are_thirty_two_levels_deep,
    only_the_author_edits,
    author_and_editors_delete,
    a_deleted_comment_disappears_with_its_last_reply,
    a_hidden_comment_stays,
    a_simultaneous_reply_and_deletion_leave_a_complete_thread,
    simultaneous_deletions_of_the_last_replies_remove_the_tombstone,
);

const SHOWN: &str = "comment { id text depth createdAt changedAt isDeleted isHidden canEdit author { username }
    parent { id } subject { ... on Movie { id } ... on Publication { id } } }";

async fn say(user: &User, subject: Option<&str>, parent: Option<&Value>, text: &str) -> Value {
    let input = json!({ "subjectId": subject, "parentId": parent, "text": text });
    user.done("addComment", input, SHOWN).await["comment"].clone()
}

async fn delete(user: &User, id: &Value) {
    let done = user.done("deleteComment", json!({ "id": id }), "deletedId").await;
    assert_eq!(done["deletedId"], *id);
}

fn key(id: &Value) -> i32 {
    kinoteka::kit::id::split(id.as_str().unwrap()).unwrap().1
}

async fn a_comment_is_added_to_its_subject(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let user = app.sign_in("speaker", "member").await;
    for subject in [global_id("Movie", 3), global_id("Publication", 3)] {
        let text = "<script>alert('1')</script> '); DELETE FROM comments; -- 🎬 \u{200f}שלום\nвторая\tстрока";
        let made = say(&user, Some(&subject), None, &format!("  {text}\n ")).await;
        assert_eq!(made["text"], text);
        assert_eq!(made["subject"]["id"], subject);
        assert_eq!(made["author"]["username"], "speaker");
        assert_eq!((&made["depth"], &made["parent"], &made["changedAt"]), (&json!(0), &Value::Null, &Value::Null));
        assert_eq!((&made["canEdit"], &made["isDeleted"]), (&json!(true), &json!(false)));
        let query = "query($id: ID!) { node(id: $id) { ... on Movie { comments(first: 1) { nodes { id canEdit } } }
            ... on Publication { comments(first: 1) { nodes { id canEdit } } } } }";
        let listed = app.data(query, json!({ "id": subject })).await;
        assert_eq!(listed["node"]["comments"]["nodes"], json!([{ "id": made["id"], "canEdit": false }]));
    }
    let errors =
        app.query("mutation { addComment(input: { text: \"\" }) { errors { code } } }", json!({})).await.errors();
    assert_eq!(errors, ["UNAUTHENTICATED sign in first: send the header Authorization: Bearer TOKEN"]);
}

async fn comments_of_a_subject_are_listed_with_replies(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let user = app.sign_in("speaker", "member").await;
    let (movie, publication) = (global_id("Movie", 3), global_id("Publication", 3));
    let first = say(&user, Some(&movie), None, "first").await;
    say(&user, Some(&publication), None, "elsewhere").await;
    say(&user, None, Some(&first["id"]), "reply").await;
    let texts = async |subject: Option<&str>, size: u32| {
        let query =
            "query($subject: ID, $size: Int!) { comments(subjectId: $subject, first: $size) { nodes { text } } }";
        let data = app.data(query, json!({ "subject": subject, "size": size })).await;
        let nodes = data["comments"]["nodes"].as_array().unwrap();
        nodes.iter().map(|node| node["text"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(texts(None, 3).await, ["reply", "elsewhere", "first"]);
    assert_eq!(texts(Some(&movie), 2).await, ["reply", "first"]);
    assert_eq!(texts(Some(&publication), 1).await, ["elsewhere"]);
    assert!(texts(Some(&global_id("Movie", 1_000_000)), 5).await.is_empty());
    let query = "{ comments(subjectId: \"UGVyc29uOjE\") { nodes { id } } }";
    let errors = app.query(query, json!({})).await.errors();
    assert_eq!(errors, ["BAD_USER_INPUT subjectId: is the id of a Person; pass the id of a Movie or a Publication"]);
    // Comments of a publication that is being deleted are not shown.
    let editor = app.sign_in("editor", "editor").await;
    editor.done("deletePublication", json!({ "id": publication }), "deletedId").await;
    assert_eq!(texts(None, 2).await, ["reply", "first"]);
    assert!(texts(Some(&publication), 1).await.is_empty());
}

async fn a_reply_has_the_subject_of_its_parent(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let user = app.sign_in("speaker", "member").await;
    let movie = global_id("Movie", 3);
    let top = say(&user, Some(&movie), None, "Начало").await;
    for subject in [None, Some(movie.as_str())] {
        let reply = say(&user, subject, Some(&top["id"]), "Ответ").await;
        assert_eq!((&reply["parent"]["id"], &reply["subject"]["id"]), (&top["id"], &json!(movie)));
        assert_eq!(reply["depth"], 1);
    }
    let refused = |subject: Value, parent: Value| {
        let (user, text) = (user.clone(), "Ответ");
        async move { user.refused("addComment", json!({ "subjectId": subject, "parentId": parent, "text": text })).await }
    };
    let other = refused(json!(global_id("Movie", 4)), top["id"].clone()).await;
    let text = "is not the subject of the comment in `parentId`; omit it or pass that subject";
    assert_eq!(other, [format!("BAD_USER_INPUT input.subjectId: {text}")]);
    let none = refused(Value::Null, Value::Null).await;
    let text = "is required; pass the id of a movie or a publication, or a comment in `parentId`";
    assert_eq!(none, [format!("BAD_USER_INPUT input.subjectId: {text}")]);
    for subject in [global_id("Movie", 1_000_000), global_id("Publication", 1_000_000)] {
        let text = "the movie or publication does not exist; it may have been deleted";
        assert_eq!(refused(json!(subject), Value::Null).await, [format!("NOT_FOUND input.subjectId: {text}")]);
    }
    let gone = refused(Value::Null, json!(global_id("Comment", 1_000_000))).await;
    assert_eq!(gone, ["NOT_FOUND input.parentId: the comment does not exist; it may have been deleted"]);
    let person = refused(json!(global_id("Person", 1)), json!("x")).await;
    let expected = [
        "BAD_USER_INPUT input.subjectId: is the id of a Person; pass the id of a Movie or a Publication",
        "BAD_USER_INPUT input.parentId: is not a valid id; pass an id that a query returned",
    ];
    assert_eq!(person, expected);
    // A deleted comment accepts no replies.
    delete(&user, &top["id"]).await;
    let gone = refused(Value::Null, top["id"].clone()).await;
    assert_eq!(gone, ["NOT_FOUND input.parentId: the comment does not exist; it may have been deleted"]);
}

async fn text_is_checked_at_both_bounds(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let user = app.sign_in("speaker", "member").await;
    let movie = global_id("Movie", 3);
    let long = "🎬".repeat(10_000);
    let made = say(&user, Some(&movie), None, &long).await;
    assert_eq!(made["text"], long);
    assert_eq!(say(&user, Some(&movie), None, "я").await["text"], "я");
    let cases = [
        (format!("{long}!"), "must be at most 10000 characters long; it has 10001"),
        (" \t\n".to_owned(), "must not be empty"),
        ("а\u{0}б".to_owned(), "contains the control character U+0000; remove it"),
        ("а\u{1b}[31mб".to_owned(), "contains the control character U+001B; remove it"),
        ("а\u{85}б".to_owned(), "contains the control character U+0085; remove it"),
    ];
    for (text, problem) in cases {
        for (mutation, input) in [
            ("addComment", json!({ "subjectId": movie, "text": text })),
            ("editComment", json!({ "id": made["id"], "text": text })),
        ] {
            assert_eq!(user.refused(mutation, input).await, [format!("BAD_USER_INPUT input.text: {problem}")]);
        }
    }
}

async fn threads_are_thirty_two_levels_deep(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let user = app.sign_in("speaker", "member").await;
    let mut last = say(&user, Some(&global_id("Movie", 3)), None, "0").await;
    for depth in 1..=32 {
        last = say(&user, None, Some(&last["id"]), &depth.to_string()).await;
        assert_eq!(last["depth"], depth);
    }
    let refused = user.refused("addComment", json!({ "parentId": last["id"], "text": "33" })).await;
    let text = "is already at the maximum depth of 32; reply to a comment above it";
    assert_eq!(refused, [format!("BAD_USER_INPUT input.parentId: {text}")]);
    // Other programs may have written deeper threads. Checking them costs no more.
    let db = app.sql().await;
    let mut parent = key(&last["id"]);
    for _ in 0..10 {
        let row = comments::ActiveModel {
            comment: sea_orm::Set("Глубже".to_owned()),
            movie_id: sea_orm::Set(Some(3)),
            parent_id: sea_orm::Set(Some(parent)),
            ..Default::default()
        };
        parent = comments::Entity::insert(row).exec(&db).await.unwrap().last_insert_id;
    }
    let input = json!({ "parentId": global_id("Comment", parent), "text": "43" });
    assert_eq!(user.refused("addComment", input).await, [format!("BAD_USER_INPUT input.parentId: {text}")]);
}

async fn only_the_author_edits(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let user = app.sign_in("speaker", "member").await;
    let made = say(&user, Some(&global_id("Movie", 3)), None, "Было").await;
    let edited =
        user.done("editComment", json!({ "id": made["id"], "text": " Стало " }), SHOWN).await["comment"].clone();
    assert_eq!((&edited["text"], &edited["createdAt"]), (&json!("Стало"), &made["createdAt"]));
    let time = |value: &Value| chrono::DateTime::parse_from_rfc3339(value.as_str().unwrap()).unwrap();
    assert!(time(&edited["changedAt"]) > time(&edited["createdAt"]));
    let again = user.done("editComment", json!({ "id": made["id"], "text": "Ещё" }), SHOWN).await["comment"].clone();
    assert!(time(&again["changedAt"]) > time(&edited["changedAt"]));
    for (name, role) in [("other", "member"), ("editor", "editor"), ("admin", "admin")] {
        let other = app.sign_in(name, role).await;
        let errors = other.send("editComment", json!({ "id": made["id"], "text": "" }), "").await.errors();
        assert_eq!(errors, ["FORBIDDEN only the owner can do this"], "{role}");
    }
}

async fn author_and_editors_delete(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let user = app.sign_in("speaker", "member").await;
    let other = app.sign_in("other", "member").await;
    let editor = app.sign_in("editor", "editor").await;
    for deleter in [&user, &editor] {
        let made = say(&user, Some(&global_id("Movie", 3)), None, "Да").await;
        let errors = other.send("deleteComment", json!({ "id": made["id"] }), "").await.errors();
        assert_eq!(errors, ["FORBIDDEN only the owner and editors can do this"]);
        delete(deleter, &made["id"]).await;
        let query = "query($id: ID!) { comment(id: $id) { id } }";
        assert_eq!(app.data(query, json!({ "id": made["id"] })).await["comment"], Value::Null);
        let refused = user.refused("deleteComment", json!({ "id": made["id"] })).await;
        assert_eq!(refused, ["NOT_FOUND input.id: the comment does not exist; it may have been deleted"]);
    }
    let made = say(&user, Some(&global_id("Movie", 3)), None, "Да").await;
    for member in [&user, &other] {
        let errors = member.send("hideComment", json!({ "id": made["id"] }), "").await.errors();
        assert_eq!(errors, ["FORBIDDEN only editors can do this"]);
    }
}

async fn a_deleted_comment_disappears_with_its_last_reply(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let user = app.sign_in("speaker", "member").await;
    let query = format!("query($id: ID!) {{ {} }}", SHOWN.replacen("comment", "comment(id: $id)", 1));
    let read = async |id: &Value| app.data(&query, json!({ "id": id })).await["comment"].clone();
    let top = say(&user, Some(&global_id("Publication", 3)), None, "1").await["id"].clone();
    let second = say(&user, None, Some(&top), "2").await["id"].clone();
    let third = say(&user, None, Some(&second), "3").await["id"].clone();
    let fourth = say(&user, None, Some(&third), "4").await["id"].clone();
    let beside = say(&user, None, Some(&second), "3a").await["id"].clone();
    for id in [&second, &third] {
        delete(&user, id).await;
        let left = read(id).await;
        assert_eq!((&left["text"], &left["author"], &left["canEdit"]), (&json!(""), &Value::Null, &json!(false)));
        assert_eq!((&left["isDeleted"], &left["isHidden"]), (&json!(true), &json!(false)));
        let gone = ["NOT_FOUND input.id: the comment does not exist; it may have been deleted"];
        assert_eq!(user.refused("deleteComment", json!({ "id": id })).await, gone);
        assert_eq!(user.refused("editComment", json!({ "id": id, "text": "!" })).await, gone);
    }
    // Deleting the fourth also removes the third, but not the second, which has another reply.
    delete(&user, &fourth).await;
    assert_eq!((read(&fourth).await, read(&third).await), (Value::Null, Value::Null));
    assert_eq!(read(&second).await["isDeleted"], true);
    delete(&user, &beside).await;
    assert_eq!(read(&second).await, Value::Null);
    assert_eq!(read(&top).await["text"], "1", "comments that were not deleted stay");
}

async fn a_hidden_comment_stays(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let user = app.sign_in("speaker", "member").await;
    let editor = app.sign_in("editor", "editor").await;
    let top = say(&user, Some(&global_id("Movie", 3)), None, "Грубость").await["id"].clone();
    let hidden = editor.done("hideComment", json!({ "id": top }), SHOWN).await["comment"].clone();
    assert_eq!((&hidden["text"], &hidden["author"]), (&json!(""), &Value::Null));
    assert_eq!((&hidden["isDeleted"], &hidden["isHidden"]), (&json!(true), &json!(true)));
    for member in [&user, &editor] {
        let refused = member.refused("deleteComment", json!({ "id": top })).await;
        assert_eq!(refused, ["NOT_FOUND input.id: the comment does not exist; it may have been deleted"]);
    }
    // Also below a comment with replies, and when these are deleted.
    let top = say(&user, Some(&global_id("Movie", 3)), None, "Грубость").await["id"].clone();
    let reply = say(&user, None, Some(&top), "Ответ").await["id"].clone();
    editor.done("hideComment", json!({ "id": top }), "comment { id }").await;
    delete(&user, &reply).await;
    let query = "query($id: ID!) { comment(id: $id) { isHidden replyCount } }";
    let left = app.data(query, json!({ "id": top })).await;
    assert_eq!(left["comment"], json!({ "isHidden": true, "replyCount": 0 }));
}

/// A deleted comment exists if and only if it has replies, and every reply has a parent.
async fn assert_whole(app: &TestApp) {
    let db = app.sql().await;
    let sql = "SELECT count(*) FROM comment_tombstones AS tombstone
        WHERE NOT hidden AND NOT EXISTS (SELECT 1 FROM comments WHERE parent_id = tombstone.comment_id)";
    let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await.unwrap().unwrap();
    let empty: i64 = row.try_get_by_index(0).unwrap();
    assert_eq!(empty, 0, "deleted comments without replies");
}

async fn a_simultaneous_reply_and_deletion_leave_a_complete_thread(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let user = app.sign_in("speaker", "member").await;
    let (mut answered, mut refused) = (0, 0);
    for round in 0..60 {
        let top = say(&user, Some(&global_id("Movie", 3)), None, "Начало").await["id"].clone();
        let reply = async {
            // The order differs from round to round.
            for _ in 0..round % 4 {
                tokio::task::yield_now().await;
            }
            user.send("addComment", json!({ "parentId": top, "text": "Ответ" }), "comment { id }").await
        };
        let (reply, deletion) = join(reply, user.send("deleteComment", json!({ "id": top }), "deletedId")).await;
        assert_eq!(deletion.problems(), [""; 0]);
        let rows = comments::Entity::find().filter(comments::Column::ParentId.eq(key(&top)));
        let rows = rows.all(&app.sql().await).await.unwrap();
        let tombstone = comment_tombstones::Entity::find_by_id(key(&top)).one(&app.sql().await).await.unwrap();
        if reply.problems().is_empty() {
            answered += 1;
            assert!(rows.len() == 1 && tombstone.is_some(), "the comment with a reply stays");
        } else {
            refused += 1;
            assert_eq!(
                reply.problems(),
                ["NOT_FOUND input.parentId: the comment does not exist; it may have been deleted"]
            );
            assert!(rows.is_empty() && tombstone.is_none(), "nothing is left");
        }
    }
    assert!(answered + refused == 60);
    assert_whole(&app).await;
}

async fn simultaneous_deletions_of_the_last_replies_remove_the_tombstone(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let user = app.sign_in("speaker", "member").await;
    for _ in 0..25 {
        let top = say(&user, Some(&global_id("Movie", 3)), None, "1").await["id"].clone();
        let second = say(&user, None, Some(&top), "2").await["id"].clone();
        let replies = join_all((0..4).map(|_| say(&user, None, Some(&second), "3"))).await;
        delete(&user, &second).await;
        // The top comment is deleted at the same time as the last replies.
        let all = replies.iter().map(|reply| reply["id"].clone()).chain([top.clone()]);
        let answers = join_all(all.map(|id| {
            let user = user.clone();
            async move { user.send("deleteComment", json!({ "id": id }), "deletedId").await }
        }))
        .await;
        for answer in answers {
            assert_eq!(answer.problems(), [""; 0]);
        }
        let left = comments::Entity::find_by_id(key(&top)).one(&app.sql().await).await.unwrap();
        assert_eq!(left, None, "the whole thread is gone");
    }
    assert_whole(&app).await;
}
