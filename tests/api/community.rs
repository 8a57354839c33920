//! Publications, comments, ratings and users, compared with the rows.

use std::collections::HashMap;

use entity::{comments, publications, users, users_rating};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder};
use serde_json::{Value, json};

use crate::app::TestApp;
use crate::movie::global_id;
use crate::support::database::Backend;

on_both!(
    a_publication_matches_its_rows,
    excerpt_is_the_beginning_of_the_text,
    a_comment_shows_its_position_in_the_thread,
    a_thread_is_read_in_order_by_one_statement,
    threads_are_bounded,
    a_user_matches_their_rows,
    long_texts_are_read_only_if_selected,
    a_user_rating_summarizes_the_ratings,
    orders_by_user_rating_use_the_average,
    a_deleted_comment_keeps_its_replies,
);

async fn a_publication_matches_its_rows(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let db = app.sql().await;
    let row = publications::Entity::find_by_id(1).one(&db).await.unwrap().unwrap();
    let author = users::Entity::find_by_id(row.author).one(&db).await.unwrap().unwrap();
    let category = entity::publications_category::Entity::find_by_id(row.category).one(&db).await.unwrap().unwrap();
    let query = "query($id: ID!) { publication(id: $id) { title text tags createdAt changedAt category { title }
        author { username } comments(first: 100, orderBy: OLDEST) { totalCount nodes { id parent { id } } } } }";
    let data = app.data(query, json!({ "id": global_id("Publication", 1) })).await;
    let shown = &data["publication"];
    assert_eq!(shown["title"], json!(row.title));
    assert_eq!(shown["text"], json!(row.text));
    assert_eq!(shown["tags"], row.tags.unwrap_or(json!([])));
    assert_eq!(shown["category"]["title"], json!(category.title));
    let name = if author.deleted_at.is_some() { json!(null) } else { json!({ "username": author.username }) };
    assert_eq!(shown["author"], name);
    let time = |value: &Value| chrono::DateTime::parse_from_rfc3339(value.as_str().unwrap()).unwrap();
    assert_eq!(time(&shown["createdAt"]), row.created_at);
    assert_eq!(time(&shown["changedAt"]), row.changed_at);
    let top = comments::Entity::find()
        .filter(comments::Column::PublicationId.eq(1))
        .filter(comments::Column::ParentId.is_null())
        .order_by_asc(comments::Column::Id)
        .all(&db)
        .await
        .unwrap();
    assert_eq!(shown["comments"]["totalCount"], json!(top.len()));
    let expected: Vec<_> =
        top.iter().take(100).map(|row| json!({ "id": global_id("Comment", row.id), "parent": null })).collect();
    assert_eq!(shown["comments"]["nodes"], json!(expected));
}

async fn excerpt_is_the_beginning_of_the_text(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let query = "query($id: ID!, $length: Int!) { publication(id: $id) { text excerpt(length: $length) } }";
    for length in [1, 40, 300, 1_000] {
        let data = app.data(query, json!({ "id": global_id("Publication", 2), "length": length })).await;
        let text = data["publication"]["text"].as_str().unwrap();
        let excerpt = data["publication"]["excerpt"].as_str().unwrap();
        let kept = excerpt.strip_suffix('…').unwrap_or(excerpt);
        assert!(text.starts_with(kept) && excerpt.chars().count() <= length, "{length}: {excerpt}");
        assert_eq!(excerpt.ends_with('…'), text.chars().count() > length);
    }
    for length in [0, -1, 1_001] {
        let errors = app.query(query, json!({ "id": global_id("Publication", 2), "length": length })).await.errors();
        assert_eq!(errors, [format!("BAD_USER_INPUT length: {length} is out of range; use 1 to 1000")]);
    }
}

async fn a_comment_shows_its_position_in_the_thread(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let db = app.sql().await;
    let rows = comments::Entity::find().order_by_asc(comments::Column::Id).all(&db).await.unwrap();
    let parents: HashMap<_, _> = rows.iter().map(|row| (row.id, row.parent_id)).collect();
    let depth = |row: &comments::Model| {
        let mut steps = 0;
        let mut above = row.parent_id;
        while let Some(parent) = above {
            above = parents[&parent];
            steps += 1;
        }
        steps
    };
    let deepest = rows.iter().max_by_key(|row| (depth(row), row.id)).unwrap();
    assert!(depth(deepest) >= 5);
    let some: Vec<_> = rows.iter().step_by(61).chain([deepest]).collect();
    let ids: Vec<_> = some.iter().map(|row| global_id("Comment", row.id)).collect();
    let query = "query($ids: [ID!]!) { nodes(ids: $ids) { ... on Comment { id text depth replyCount parent { id }
        replies(first: 100) { nodes { id } } author { id }
        subject { __typename ... on Movie { id } ... on Publication { id } } } } }";
    for (ids, some) in ids.chunks(100).zip(some.chunks(100)) {
        let data = app.data(query, json!({ "ids": ids })).await;
        for (shown, row) in data["nodes"].as_array().unwrap().iter().zip(some) {
            assert_eq!(shown["text"], json!(row.comment));
            assert_eq!(shown["depth"], json!(depth(row)));
            let replies: Vec<_> = rows.iter().filter(|reply| reply.parent_id == Some(row.id)).collect();
            assert_eq!(shown["replyCount"], json!(replies.len()));
            let expected: Vec<_> =
                replies.iter().map(|reply| json!({ "id": global_id("Comment", reply.id) })).collect();
            assert_eq!(shown["replies"]["nodes"], json!(expected));
            let parent = row.parent_id.map(|parent| json!({ "id": global_id("Comment", parent) }));
            assert_eq!(shown["parent"], json!(parent));
            let subject = match (row.movie_id, row.publication_id) {
                (Some(movie), _) => json!({ "__typename": "Movie", "id": global_id("Movie", movie) }),
                (_, publication) => {
                    json!({ "__typename": "Publication", "id": global_id("Publication", publication.unwrap()) })
                }
            };
            assert_eq!(shown["subject"], subject);
            let living = match row.user_id {
                Some(user) => users::Entity::find_by_id(user).one(&db).await.unwrap().unwrap().deleted_at.is_none(),
                None => false,
            };
            assert_eq!(shown["author"].is_object(), living);
        }
    }
}

/// The ids of a thread in reading order, by recursion.
fn read(rows: &[comments::Model], root: i32, levels: usize, order: &mut Vec<i32>) {
    order.push(root);
    if levels > 0 {
        for reply in rows.iter().filter(|row| row.parent_id == Some(root)) {
            read(rows, reply.id, levels - 1, order);
        }
    }
}

async fn a_thread_is_read_in_order_by_one_statement(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let db = app.sql().await;
    let rows = comments::Entity::find().order_by_asc(comments::Column::Id).all(&db).await.unwrap();
    let mut threads: Vec<Vec<i32>> = Vec::new();
    for root in rows.iter().filter(|row| row.parent_id.is_none()) {
        let mut order = Vec::new();
        read(&rows, root.id, 32, &mut order);
        threads.push(order);
    }
    threads.sort_by_key(|order| std::cmp::Reverse(order.len()));
    threads.truncate(8);
    let ids: Vec<_> = threads.iter().map(|order| global_id("Comment", order[0])).collect();
    let query =
        "query($ids: [ID!]!) { nodes(ids: $ids) { ... on Comment { thread(first: 500) { hasMore nodes { id } } } } }";
    let data = app.data(query, json!({ "ids": ids })).await;
    for (shown, order) in data["nodes"].as_array().unwrap().iter().zip(&threads) {
        let expected: Vec<_> = order.iter().map(|id| json!({ "id": global_id("Comment", *id) })).collect();
        assert_eq!(shown["thread"], json!({ "hasMore": false, "nodes": expected }));
    }
    assert_eq!(app.statements_of(query, json!({ "ids": ids })).await.len(), 2, "the comments, then all threads");
}

async fn threads_are_bounded(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let db = app.sql().await;
    let rows = comments::Entity::find().order_by_asc(comments::Column::Id).all(&db).await.unwrap();
    let size = |root: i32| {
        let mut order = Vec::new();
        read(&rows, root, 32, &mut order);
        order
    };
    let root = rows.iter().filter(|row| row.parent_id.is_none()).max_by_key(|row| size(row.id).len()).unwrap().id;
    let whole = size(root);
    let query = "query($id: ID!, $depth: Int!, $first: Int!) { comment(id: $id) {
        thread(maxDepth: $depth, first: $first) { hasMore nodes { id } } } }";
    let id = global_id("Comment", root);
    for first in [1, 2, whole.len() - 1, whole.len()] {
        let data = app.data(query, json!({ "id": id, "depth": 32, "first": first })).await;
        let expected: Vec<_> = whole[..first].iter().map(|id| json!({ "id": global_id("Comment", *id) })).collect();
        let thread = json!({ "hasMore": first < whole.len(), "nodes": expected });
        assert_eq!(data["comment"]["thread"], thread);
    }
    for depth in [0, 1, 2] {
        let mut order = Vec::new();
        read(&rows, root, depth, &mut order);
        let data = app.data(query, json!({ "id": id, "depth": depth, "first": 500 })).await;
        let expected: Vec<_> = order.iter().map(|id| json!({ "id": global_id("Comment", *id) })).collect();
        assert_eq!(data["comment"]["thread"], json!({ "hasMore": false, "nodes": expected }));
    }
    for (depth, first, error) in [
        (-1, 10, "maxDepth: -1 is out of range; use 0 to 32"),
        (33, 10, "maxDepth: 33 is out of range; use 0 to 32"),
        (5, 0, "first: 0 is out of range; use 1 to 500"),
        (5, 501, "first: 501 is out of range; use 1 to 500"),
    ] {
        let errors = app.query(query, json!({ "id": id, "depth": depth, "first": first })).await.errors();
        assert_eq!(errors, [format!("BAD_USER_INPUT {error}")]);
    }
}

async fn a_user_matches_their_rows(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let db = app.sql().await;
    let living = users::Entity::find().filter(users::Column::DeletedAt.is_null()).order_by_asc(users::Column::Id);
    let row = living.one(&db).await.unwrap().unwrap();
    let query = "query($name: String!) { user(username: $name) { username fullName bio joinedAt
        publications { totalCount nodes { author { username } } } comments { totalCount nodes { author { username } } }
        ratings { totalCount nodes { rating user { username } subject { __typename } } } } }";
    for name in [row.username.clone(), row.username.to_uppercase()] {
        let data = app.data(query, json!({ "name": name })).await;
        let shown = &data["user"];
        assert_eq!(shown["username"], json!(row.username));
        assert_eq!(shown["fullName"], json!(row.fio));
        assert_eq!(shown["bio"], json!(row.bio));
        assert_eq!(shown["joinedAt"], json!(row.created_at));
        let written = publications::Entity::find().filter(publications::Column::Author.eq(row.id));
        let said = comments::Entity::find().filter(comments::Column::UserId.eq(row.id));
        let rated = users_rating::Entity::find().filter(users_rating::Column::UserId.eq(row.id));
        assert_eq!(shown["publications"]["totalCount"], json!(written.count(&db).await.unwrap()));
        assert_eq!(shown["comments"]["totalCount"], json!(said.count(&db).await.unwrap()));
        assert_eq!(shown["ratings"]["totalCount"], json!(rated.count(&db).await.unwrap()));
    }
    for nobody in ["nobody", "", "a\u{0}b"] {
        assert_eq!(app.data(query, json!({ "name": nobody })).await, json!({ "user": null }));
    }
}

async fn long_texts_are_read_only_if_selected(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let reads_text = |statements: &[String]| statements.iter().any(|sql| sql.contains("\"text\""));
    let narrow = app.statements_of("{ publications { nodes { title author { username } } } }", json!({})).await;
    assert!(!reads_text(&narrow), "{narrow:#?}");
    let excerpt = app.statements_of("{ publications { nodes { excerpt } } }", json!({})).await;
    assert!(excerpt.iter().any(|sql| sql.contains("substr(")), "{excerpt:#?}");
    assert_eq!(excerpt.len(), 2);
}

async fn a_user_rating_summarizes_the_ratings(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let db = app.sql().await;
    let query = "query($movie: ID!, $publication: ID!) {
        movie(id: $movie) { userRating { average count histogram } }
        publication(id: $publication) { userRating { average count histogram } } }";
    for id in [1, 2, 3] {
        let ids = json!({ "movie": global_id("Movie", id), "publication": global_id("Publication", id) });
        let data = app.data(query, ids).await;
        for (kind, column) in
            [("movie", users_rating::Column::MovieId), ("publication", users_rating::Column::PublicationId)]
        {
            let rows = users_rating::Entity::find().filter(column.eq(id)).all(&db).await.unwrap();
            let given: Vec<_> = (1..=5).map(|mark| rows.iter().filter(|row| row.rating == mark).count()).collect();
            let total: i32 = rows.iter().map(|row| i32::from(row.rating)).sum();
            let average = f64::from(total) / rows.len() as f64;
            let shown = &data[kind]["userRating"];
            assert_eq!((&shown["count"], &shown["histogram"]), (&json!(rows.len()), &json!(given)), "{kind} {id}");
            assert!((shown["average"].as_f64().unwrap() - average).abs() < 0.000_6, "{kind} {id}: {average}");
        }
    }
    db.execute_unprepared("DELETE FROM users_rating WHERE movie_id = 1").await.unwrap();
    let data = app.data(query, json!({ "movie": global_id("Movie", 1), "publication": global_id("Publication", 1) }));
    let none = json!({ "average": null, "count": 0, "histogram": [0, 0, 0, 0, 0] });
    assert_eq!(data.await["movie"]["userRating"], none);
}

async fn orders_by_user_rating_use_the_average(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    for list in ["movies", "publications"] {
        for (order, descending) in [("USER_RATING", false), ("USER_RATING_DESC", true)] {
            let query = format!(
                "query($after: String) {{ list: {list}(orderBy: {order}, first: 100, after: $after) {{
                 nodes {{ userRating {{ average }} }} pageInfo {{ hasNextPage endCursor }} }} }}"
            );
            let (mut averages, mut after) = (Vec::new(), Value::Null);
            loop {
                let data = app.data(&query, json!({ "after": after })).await;
                let nodes = data["list"]["nodes"].as_array().unwrap();
                averages.extend(nodes.iter().map(|node| node["userRating"]["average"].as_f64()));
                after = data["list"]["pageInfo"]["endCursor"].clone();
                if data["list"]["pageInfo"]["hasNextPage"] == json!(false) {
                    break;
                }
            }
            let mut expected = averages.clone();
            let key = |average: &Option<f64>| average.map_or(f64::INFINITY, |a| if descending { -a } else { a });
            expected.sort_by(|a, b| key(a).total_cmp(&key(b)));
            assert_eq!(averages, expected, "{list} {order}");
        }
    }
}

async fn a_deleted_comment_keeps_its_replies(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let db = app.sql().await;
    let reply = comments::Entity::find().filter(comments::Column::ParentId.is_not_null()).one(&db).await.unwrap();
    let parent = reply.unwrap().parent_id.unwrap();
    let query = "query($id: ID!) { comment(id: $id) { isDeleted text author { username }
        replies { nodes { isDeleted } } thread { nodes { isDeleted } } } }";
    let ask = async || app.data(query, json!({ "id": global_id("Comment", parent) })).await["comment"].clone();
    let before = ask().await;
    assert_eq!(before["isDeleted"], json!(false));
    db.execute_unprepared(&format!("INSERT INTO comment_tombstones (comment_id) VALUES ({parent})")).await.unwrap();
    let after = ask().await;
    let head = [&after["isDeleted"], &after["text"], &after["author"]];
    assert_eq!(head, [&json!(true), &json!(""), &Value::Null]);
    assert_eq!(after["replies"], before["replies"]);
    assert_eq!(after["thread"]["nodes"][0]["isDeleted"], json!(true));
}
