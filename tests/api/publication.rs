//! Mutations of publications.

use std::time::Instant;

use async_graphql::futures_util::future::join_all;
use entity::{comment_tombstones, comments, publications, rating_totals, users_rating};
use kinoteka::app::SWEEPS;
use kinoteka::kit::upkeep;
use kinoteka::{clock, publication};
use sea_orm::{
    ActiveValue, ColumnTrait, ConnectionTrait, DatabaseConnection, EntityTrait, PaginatorTrait, QueryFilter, Set,
};
use serde_json::{Value, json};

use crate::app::{TestApp, User};
use crate::movie::global_id;
use crate::support::database::Backend;

on_both!(
    a_publication_can_be_read,
    omitted_fields_of_an_update_keep_their_values,
    changed_at_always_moves_forward,
    a_stale_update_changes_nothing_and_returns_the_current_values,
    one_of_two_simultaneous_updates_wins,
    only_author_and_editors_change_a_publication,
    all_problems_are_reported_together,
    a_deletion_removes_comments_and_ratings,
    a_publication_with_many_comments_disappears_immediately_and_is_removed_in_batches,
    a_publication_with_one_batch_of_comments_is_removed_immediately,
);

const SHOWN: &str =
    "publication { id title text createdAt changedAt tags canEdit category { id } author { username } }";

async fn publish(user: &User, title: &str) -> Value {
    let input = json!({ "title": title, "text": "Текст", "categoryId": global_id("PublicationCategory", 1) });
    user.done("createPublication", input, SHOWN).await["publication"].clone()
}

fn key(id: &Value) -> i32 {
    kinoteka::kit::id::split(id.as_str().unwrap()).unwrap().1
}

async fn a_publication_can_be_read(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let author = app.sign_in("author", "member").await;
    let text = "Первый абзац.\n\n\tВторой: <b>жирный</b>, '; DROP TABLE users; --, 🎬, \u{202e}наоборот\u{202c}";
    let input = json!({
        "title": "  Кино и мы ", "text": text, "categoryId": global_id("PublicationCategory", 2),
        "tags": ["Драма", "Комедия"],
    });
    let done = author.done("createPublication", input, SHOWN).await;
    let made = &done["publication"];
    assert_eq!(made["title"], "Кино и мы");
    assert_eq!(made["text"], text);
    assert_eq!(made["tags"], json!(["Драма", "Комедия"]));
    assert_eq!(made["category"]["id"], global_id("PublicationCategory", 2));
    assert_eq!(made["author"]["username"], "author");
    assert_eq!(made["createdAt"], made["changedAt"]);
    assert_eq!(made["canEdit"], true);
    // Lists and filters include it: the triggers have run.
    let query =
        "{ publications(first: 1, filter: { tags: { all: [\"Драма\", \"Комедия\"] } }) { nodes { id canEdit } } }";
    let listed = app.data(query, json!({})).await;
    assert_eq!(listed["publications"]["nodes"], json!([{ "id": made["id"], "canEdit": false }]));
}

async fn omitted_fields_of_an_update_keep_their_values(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let author = app.sign_in("author", "member").await;
    let input = json!({ "title": "Было", "text": "Текст", "categoryId": global_id("PublicationCategory", 1), "tags": ["Драма"] });
    let before = author.done("createPublication", input, SHOWN).await["publication"].clone();
    let id = &before["id"];
    let changed =
        author.done("updatePublication", json!({ "id": id, "title": "Стало" }), SHOWN).await["publication"].clone();
    assert_eq!(changed["title"], "Стало");
    for field in ["text", "tags", "category", "createdAt"] {
        assert_eq!(changed[field], before[field], "{field}");
    }
    let cleared =
        author.done("updatePublication", json!({ "id": id, "tags": null }), SHOWN).await["publication"].clone();
    assert_eq!((&cleared["tags"], &cleared["title"]), (&json!([]), &json!("Стало")));
    let untouched = author.done("updatePublication", json!({ "id": id }), SHOWN).await["publication"].clone();
    assert_eq!(untouched, cleared, "an empty update must change nothing");
    let refused =
        author.refused("updatePublication", json!({ "id": id, "title": null, "text": null, "categoryId": null })).await;
    let text = "must not be null; omit it to keep the current value";
    assert_eq!(refused, ["title", "text", "categoryId"].map(|field| format!("BAD_USER_INPUT input.{field}: {text}")));
}

async fn changed_at_always_moves_forward(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let author = app.sign_in("author", "member").await;
    let made = publish(&author, "Время").await;
    // Another server's clock is ahead: the time must not go backwards.
    let ahead = chrono::DateTime::parse_from_rfc3339("2100-01-01T00:00:00.000001+00:00").unwrap();
    let row = publications::ActiveModel {
        id: ActiveValue::Unchanged(key(&made["id"])),
        changed_at: Set(ahead),
        ..Default::default()
    };
    publications::Entity::update(row).exec(&app.sql().await).await.unwrap();
    let mut before = ahead;
    for round in 0..3 {
        let input = json!({ "id": made["id"], "text": format!("Текст {round}") });
        let done = author.done("updatePublication", input, SHOWN).await;
        let changed = done["publication"]["changedAt"].as_str().unwrap();
        let changed = chrono::DateTime::parse_from_rfc3339(changed).unwrap();
        assert_eq!(changed - before, chrono::TimeDelta::microseconds(1));
        before = changed;
    }
}

async fn a_stale_update_changes_nothing_and_returns_the_current_values(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let author = app.sign_in("author", "member").await;
    let made = publish(&author, "Первая").await;
    let expected = &made["changedAt"];
    let input = json!({ "id": made["id"], "title": "Вторая", "expectedChangedAt": expected });
    let second = author.done("updatePublication", input, SHOWN).await["publication"].clone();
    assert_eq!(second["title"], "Вторая");
    let input = json!({ "id": made["id"], "title": "Третья", "expectedChangedAt": expected });
    let stale = author.send("updatePublication", input, SHOWN).await;
    let text = "the publication has changed since then; review the current version and send its `changedAt`";
    assert_eq!(stale.problems(), [format!("CONFLICT input.expectedChangedAt: {text}")]);
    assert_eq!(stale.data()["it"]["publication"], second);
}

async fn one_of_two_simultaneous_updates_wins(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let author = app.sign_in("author", "member").await;
    let made = publish(&author, "Спор").await;
    let update = |title: String| {
        let input = json!({ "id": made["id"], "title": title, "expectedChangedAt": made["changedAt"] });
        let author = author.clone();
        async move { author.send("updatePublication", input, SHOWN).await }
    };
    let answers = join_all((0..8).map(|number| update(format!("Спор {number}")))).await;
    let won = answers.iter().filter(|answer| answer.problems().is_empty()).count();
    assert_eq!(won, 1);
}

async fn only_author_and_editors_change_a_publication(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let author = app.sign_in("author", "member").await;
    let made = publish(&author, "Моё").await;
    let other = app.sign_in("other", "member").await;
    for mutation in ["updatePublication", "deletePublication"] {
        // Rights are checked before the input.
        let mut input = json!({ "id": made["id"] });
        if mutation == "updatePublication" {
            input["title"] = json!("");
        }
        let errors = other.send(mutation, input, "").await.errors();
        assert_eq!(errors, ["FORBIDDEN only the owner and editors can do this"]);
    }
    let editor = app.sign_in("editor", "editor").await;
    let input = json!({ "id": made["id"], "title": "Правка" });
    assert_eq!(editor.done("updatePublication", input, SHOWN).await["publication"]["canEdit"], true);
    let deleted = editor.done("deletePublication", json!({ "id": made["id"] }), "deletedId").await;
    assert_eq!(deleted["deletedId"], made["id"]);
    let refused = author.refused("deletePublication", json!({ "id": made["id"] })).await;
    assert_eq!(refused, ["NOT_FOUND input.id: the publication does not exist; it may have been deleted"]);
}

async fn all_problems_are_reported_together(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let author = app.sign_in("author", "member").await;
    let input = json!({
        "title": "а".repeat(257), "text": " \n ", "categoryId": global_id("PublicationCategory", 1_000_000),
        "tags": ["Драма", "Нет такого", "Драма", "\u{0}"],
    });
    let refused = author.refused("createPublication", input).await;
    let expected = [
        "BAD_USER_INPUT input.title: must be at most 256 characters long; it has 257",
        "BAD_USER_INPUT input.text: must not be empty",
        "NOT_FOUND input.categoryId: the publication category does not exist; it may have been deleted",
        "NOT_FOUND input.tags.1: the tag does not exist; it may have been deleted",
        "BAD_USER_INPUT input.tags.2: repeats a tag; list each tag once",
        "NOT_FOUND input.tags.3: the tag does not exist; it may have been deleted",
    ];
    assert_eq!(refused, expected);
    let input = json!({ "title": "а".repeat(256), "text": "я".repeat(100_001), "categoryId": global_id("Movie", 1) });
    let refused = author.refused("createPublication", input).await;
    let expected = [
        "BAD_USER_INPUT input.text: must be at most 100000 characters long; it has 100001",
        "BAD_USER_INPUT input.categoryId: is the id of a Movie; pass the id of a PublicationCategory",
    ];
    assert_eq!(refused, expected);
    // The maximum number of different words in a text.
    let words: String =
        ('\u{4e00}'..).filter(|letter| letter.is_alphabetic()).take(20_000).flat_map(|c| [c, ' ']).collect();
    let long: String = words.chars().cycle().take(100_000).collect();
    let input = json!({ "title": "а".repeat(256), "text": long, "categoryId": global_id("PublicationCategory", 1) });
    author.done("createPublication", input, "publication { id }").await;
}

async fn a_deletion_removes_comments_and_ratings(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let db = app.sql().await;
    let author = app.sign_in("author", "member").await;
    let id = publish(&author, "Прощай").await["id"].clone();
    let comment = |parent: Value| {
        let (author, id) = (author.clone(), id.clone());
        async move {
            let input = json!({ "subjectId": id, "parentId": parent, "text": "Да" });
            author.done("addComment", input, "comment { id }").await["comment"]["id"].clone()
        }
    };
    let top = comment(Value::Null).await;
    let reply = comment(top.clone()).await;
    comment(reply.clone()).await;
    author.done("deleteComment", json!({ "id": reply }), "deletedId").await;
    author.done("rate", json!({ "subjectId": id, "rating": 5 }), "rating { id }").await;
    author.done("deletePublication", json!({ "id": id }), "deletedId").await;
    let key = key(&id);
    let left = comments::Entity::find().filter(comments::Column::PublicationId.eq(key)).count(&db).await.unwrap();
    assert_eq!(left, 0);
    let left = comment_tombstones::Entity::find_by_id(self::key(&reply)).one(&db).await.unwrap();
    assert_eq!(left, None);
    let left =
        users_rating::Entity::find().filter(users_rating::Column::PublicationId.eq(key)).count(&db).await.unwrap();
    assert_eq!(left, 0);
    let left =
        rating_totals::Entity::find().filter(rating_totals::Column::PublicationId.eq(key)).count(&db).await.unwrap();
    assert_eq!(left, 0);
}

/// Adds the given number of comments with SQL, and a reply to each.
async fn burden(db: &DatabaseConnection, publication: &Value, user: i32, comments: usize) {
    let key = key(publication);
    let sql = format!(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {comments})
         INSERT INTO comments (comment, publication_id, user_id) SELECT 'Да', {key}, {user} FROM n"
    );
    db.execute_unprepared(&sql).await.unwrap();
    let sql = format!(
        "INSERT INTO comments (comment, publication_id, parent_id, user_id)
         SELECT 'Нет', {key}, id, {user} FROM comments WHERE publication_id = {key} AND parent_id IS NULL"
    );
    db.execute_unprepared(&sql).await.unwrap();
}

async fn count_comments(db: &DatabaseConnection, publication: &Value) -> u64 {
    comments::Entity::find().filter(comments::Column::PublicationId.eq(key(publication))).count(db).await.unwrap()
}

async fn a_publication_with_many_comments_disappears_immediately_and_is_removed_in_batches(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let db = app.sql().await;
    let author = app.sign_in("author", "member").await;
    let id = publish(&author, "Сверхспорная").await["id"].clone();
    let said = author.done("addComment", json!({ "subjectId": id, "text": "Да" }), "comment { id }").await;
    let said = said["comment"]["id"].clone();
    let rated = author.done("rate", json!({ "subjectId": id, "rating": 5 }), "rating { id }").await;
    let rated = rated["rating"]["id"].clone();
    burden(&db, &id, author.id, 4_000).await;
    let look = "query($id: ID!, $said: ID!, $rated: ID!, $user: ID!) {
        publication: node(id: $id) { id } comment: node(id: $said) { id } rating: node(id: $rated) { id }
        user: node(id: $user) { ... on User { publications { totalCount nodes { id } } comments { totalCount nodes { id } }
            ratings { totalCount nodes { id } } } }
        search(query: \"сверхспорная\", first: 5) { totalCount nodes { __typename } }
        publications(first: 1, orderBy: NEWEST) { totalCount nodes { id } } }";
    let asked = json!({ "id": id, "said": said, "rated": rated, "user": global_id("User", author.id) });
    let before = author.data(look, asked.clone()).await;
    assert_eq!(before["user"]["comments"]["totalCount"], 8_002, "{before}");
    assert_eq!(before["publications"]["nodes"][0]["id"], id);

    let begun = Instant::now();
    author.done("deletePublication", json!({ "id": id }), "deletedId").await;
    println!("invisible after {:?}", begun.elapsed());
    assert_eq!(count_comments(&db, &id).await, 8_002, "the mutation's transaction must remove nothing");
    let after = author.data(look, asked).await;
    let none = json!({ "totalCount": 0, "nodes": [] });
    assert_eq!(
        (&after["publication"], &after["comment"], &after["rating"]),
        (&Value::Null, &Value::Null, &Value::Null)
    );
    assert_eq!(after["user"], json!({ "publications": none, "comments": none, "ratings": none }));
    assert_eq!(after["search"], none);
    let count = |answer: &Value| answer["publications"]["totalCount"].as_u64().unwrap();
    assert_eq!(count(&after) + 1, count(&before));
    assert_ne!(after["publications"]["nodes"][0]["id"], id);
    for (mutation, input) in [
        ("deletePublication", json!({ "id": id })),
        ("updatePublication", json!({ "id": id, "title": "Снова" })),
        ("addComment", json!({ "subjectId": id, "text": "Ещё" })),
        ("addComment", json!({ "parentId": said, "text": "Ещё" })),
        ("editComment", json!({ "id": said, "text": "Ещё" })),
        ("deleteComment", json!({ "id": said })),
        ("rate", json!({ "subjectId": id, "rating": 1 })),
        ("removeRating", json!({ "subjectId": id })),
    ] {
        let refused = author.refused(mutation, input).await;
        assert!(refused.len() == 1 && refused[0].starts_with("NOT_FOUND "), "{mutation}: {refused:?}");
    }

    // One batch, as if the instance had then ended. Another instance continues.
    assert_eq!(publication::remove_deleted(&db).await.unwrap(), upkeep::BATCH);
    assert_eq!(count_comments(&db, &id).await, 8_002 - upkeep::BATCH);
    upkeep::sweep(&db, SWEEPS, clock::now()).await.unwrap();
    assert_eq!(count_comments(&db, &id).await, 0);
    assert_eq!(publications::Entity::find_by_id(key(&id)).one(&db).await.unwrap(), None);
    assert_eq!(publication::remove_deleted(&db).await.unwrap(), 0);
}

async fn a_publication_with_one_batch_of_comments_is_removed_immediately(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let db = app.sql().await;
    let author = app.sign_in("author", "member").await;
    for (comments, is_removed) in [(500, true), (501, false)] {
        let id = publish(&author, "Спорная").await["id"].clone();
        burden(&db, &id, author.id, comments).await;
        author.done("deletePublication", json!({ "id": id }), "deletedId").await;
        assert_eq!(count_comments(&db, &id).await == 0, is_removed, "{comments}");
    }
}
