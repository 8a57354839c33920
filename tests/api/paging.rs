//! The paging invariants, for every connection with every order.

use std::collections::BTreeSet;

use sea_orm::ConnectionTrait;
use serde_json::{Value, json};

use crate::app::TestApp;
use crate::connections::LISTS;
use crate::support::database::Backend;

on_both!(
    every_connection_is_covered,
    walks_return_every_row_once,
    rows_inserted_between_pages_do_not_affect_a_walk,
    sizes_are_bounded,
    both_cursors_bound_a_page,
    page_info_is_what_relay_defines,
    foreign_and_broken_cursors_are_refused,
);

/// The demo catalogue. Its first user is an admin with sessions and entries in the audit log.
async fn seeded(backend: Backend) -> TestApp {
    let app = TestApp::seeded(backend).await;
    let db = app.sql().await;
    let numbers = "WITH RECURSIVE n (i) AS (SELECT 10 UNION ALL SELECT i + 1 FROM n WHERE i < 40)";
    let (hash, changes) = match backend {
        Backend::Postgres => ("sha256(CAST(i AS text)::bytea)", "'[]'::jsonb"),
        Backend::Sqlite => ("CAST('a hash of thirty-two bytes, no' || i AS blob)", "'[]'"),
    };
    let expiry = if backend == Backend::Postgres { "now() + interval '1 day'" } else { "'2090-01-01T00:00:00+00:00'" };
    for statement in [
        "INSERT INTO user_roles (user_id, role) VALUES (1, 'admin')".to_owned(),
        format!("INSERT INTO sessions (user_id, token_hash, expires_at) {numbers} SELECT 1, {hash}, {expiry} FROM n"),
        format!(
            "INSERT INTO audit_log (user_id, action, object_type, object_key, changes)
             {numbers} SELECT 1, 'createTag', 'Tag', 'Тег ' || i, {changes} FROM n"
        ),
    ] {
        db.execute_unprepared(&statement).await.unwrap();
    }
    app.sign_in_as(1).await;
    app
}

async fn every_connection_is_covered(backend: Backend) {
    let app = seeded(backend).await;
    let query = "{ __schema { types { name kind fields { name
        args { name type { kind name ofType { name enumValues { name } } enumValues { name } } }
        type { name ofType { name } } } } } }";
    let data = app.data(query, json!({})).await;
    let mut found = BTreeSet::new();
    for object in data["__schema"]["types"].as_array().unwrap() {
        for field in object["fields"].as_array().into_iter().flatten() {
            let result = field["type"]["name"].as_str().or(field["type"]["ofType"]["name"].as_str()).unwrap_or("");
            // A search is ranked in memory. Its pages have their own tests.
            if result.ends_with("Connection") && result != "SearchHitConnection" {
                let orders: Vec<_> = field["args"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .filter(|arg| arg["name"] == "orderBy")
                    .flat_map(|arg| {
                        let named = &arg["type"];
                        let values = named["enumValues"].as_array().or(named["ofType"]["enumValues"].as_array());
                        values.unwrap().iter().map(|value| value["name"].as_str().unwrap().to_owned())
                    })
                    .collect();
                let name = format!("{}.{}", object["name"].as_str().unwrap(), field["name"].as_str().unwrap());
                found.insert((name, orders));
            }
        }
    }
    let covered: BTreeSet<_> = LISTS
        .iter()
        .map(|list| (list.field.to_owned(), list.orders.iter().map(|&order| order.to_owned()).collect::<Vec<_>>()))
        .collect();
    assert_eq!(found, covered, "LISTS in this file must name every connection with all of its orders");
}

async fn walks_return_every_row_once(backend: Backend) {
    let app = seeded(backend).await;
    for list in LISTS {
        let parent = list.parent_id(&app).await;
        for order in list.orders() {
            let forward = list.walk(&app, order, false, async || {}).await.concat();
            let mut backward = list.walk(&app, order, true, async || {}).await;
            backward.reverse();
            let total = list.page(&app, &parent, order, "first: 0").await.total;
            assert_eq!(forward, backward.concat(), "{} {order:?}: forward equals backward reversed", list.field);
            let distinct: BTreeSet<_> = forward.iter().collect();
            assert_eq!((forward.len(), distinct.len()), (total, total), "{} {order:?}", list.field);
            assert!(total > list.size, "{}: the test needs more than one page", list.field);
        }
    }
}

async fn rows_inserted_between_pages_do_not_affect_a_walk(backend: Backend) {
    let app = seeded(backend).await;
    let db = app.sql().await;
    let list = &LISTS[0];
    let mut year = 1900;
    for order in list.orders() {
        for backward in [false, true] {
            let mut known = list.walk(&app, order, false, async || {}).await.concat();
            let inserting = list
                .walk(&app, order, backward, async || {
                    // Rows before and after the current position, with and without values in the keys.
                    year += 7;
                    let sql = format!(
                        "INSERT INTO movies (title, duration, year, rating, boxoffice) VALUES
                         ('Между страницами', 90, {}, {}, {}), ('Между страницами', 90, NULL, NULL, NULL)",
                        1900 + year % 120,
                        1 + year % 5,
                        year * 1000,
                    );
                    db.execute_unprepared(&sql).await.unwrap();
                })
                .await
                .concat();
            let distinct: BTreeSet<_> = inserting.iter().collect();
            assert_eq!(distinct.len(), inserting.len(), "{order:?}: no row twice");
            known.retain(|id| !distinct.contains(id));
            assert!(known.is_empty(), "{order:?}: lost {known:?}");
        }
    }
}

async fn sizes_are_bounded(backend: Backend) {
    let app = seeded(backend).await;
    for list in LISTS {
        let parent = list.parent_id(&app).await;
        for size in ["first", "last"] {
            let none = list.page(&app, &parent, None, &format!("{size}: 0")).await;
            assert!(none.ids.is_empty() && (none.has_next || none.has_previous), "{}", list.field);
            let most = list.page(&app, &parent, None, &format!("{size}: 100")).await;
            assert_eq!(most.ids.len(), most.total.min(100), "{}", list.field);
            for refused in ["101", "-1", "2147483647", "-2147483648"] {
                let errors = list.ask(&app, &parent, None, &format!("{size}: {refused}")).await.errors();
                let expected = format!("BAD_USER_INPUT {size}: {refused} is out of range; use 0 to 100");
                assert_eq!(errors, [expected], "{}", list.field);
            }
        }
        let default = list.page(&app, &parent, None, "").await;
        assert_eq!(default.ids.len(), default.total.min(20), "{}: the default is 20", list.field);
        let errors = list.ask(&app, &parent, None, "first: 1, last: 1").await.errors();
        assert_eq!(errors, ["BAD_USER_INPUT last: cannot be combined with `first`; use one of them"], "{}", list.field);
    }
}

async fn both_cursors_bound_a_page(backend: Backend) {
    let app = seeded(backend).await;
    let list = &LISTS[0];
    for order in list.orders() {
        let all = list.walk(&app, order, false, async || {}).await.concat();
        // The first row has a value and the last one is NULL where NULLs come last.
        let head = list.page(&app, &Value::Null, order, "first: 2").await;
        let tail = list.page(&app, &Value::Null, order, "last: 2").await;
        let between = format!("after: \"{}\", before: \"{}\"", head.cursors[1], tail.cursors[0]);
        let first = list.page(&app, &Value::Null, order, &format!("first: 5, {between}")).await;
        assert_eq!(first.ids, all[2..7], "{order:?}");
        assert!(first.has_next && first.has_previous);
        let last = list.page(&app, &Value::Null, order, &format!("last: 5, {between}")).await;
        assert_eq!(last.ids, all[all.len() - 7..all.len() - 2], "{order:?}");
        let crossed = format!("first: 5, after: \"{}\", before: \"{}\"", tail.cursors[0], head.cursors[1]);
        assert!(list.page(&app, &Value::Null, order, &crossed).await.ids.is_empty(), "{order:?}: nothing between");
    }
}

/// Section 5 of the specification: with `first` or `last`, the flags are about the rows between the cursors. Without
/// them, they are about the rows beyond a cursor.
async fn page_info_is_what_relay_defines(backend: Backend) {
    let app = seeded(backend).await;
    for list in LISTS {
        let parent = list.parent_id(&app).await;
        let head = list.page(&app, &parent, None, "first: 2").await;
        let tail = list.page(&app, &parent, None, "last: 1").await;
        let (zero, one, end) = (&head.cursors[0], &head.cursors[1], &tail.cursors[0]);
        let many = head.total - 1 > 100;
        for (args, rows, has_previous, has_next) in [
            (format!("before: \"{one}\""), Some(1), false, true),
            (format!("before: \"{zero}\""), Some(0), false, true),
            (format!("first: 1, before: \"{one}\""), Some(1), false, false),
            (format!("first: 5, before: \"{one}\""), Some(1), false, false),
            (format!("first: 0, before: \"{one}\""), Some(0), false, true),
            (format!("last: 5, before: \"{one}\""), Some(1), false, true),
            (format!("after: \"{end}\""), Some(0), true, false),
            (format!("first: 5, after: \"{end}\""), Some(0), true, false),
            (format!("last: 100, after: \"{zero}\""), None, many, false),
            (format!("after: \"{zero}\", before: \"{one}\""), Some(0), true, true),
        ] {
            let page = list.page(&app, &parent, None, &args).await;
            assert!(rows.is_none_or(|rows| rows == page.ids.len()), "{} {args}", list.field);
            assert_eq!((page.has_previous, page.has_next), (has_previous, has_next), "{} {args}", list.field);
        }
    }
    // The existence of a cursor's row is not checked.
    let db = app.sql().await;
    db.execute_unprepared("INSERT INTO movies (title, duration) VALUES ('Новее всех', 90)").await.unwrap();
    let newest = LISTS[0].page(&app, &Value::Null, None, "first: 1").await;
    db.execute_unprepared("DELETE FROM movies WHERE title = 'Новее всех'").await.unwrap();
    for (args, is_there) in [("after", (true, true)), ("before", (false, true))] {
        let page = LISTS[0].page(&app, &Value::Null, None, &format!("{args}: \"{}\"", newest.cursors[0])).await;
        assert_eq!((page.has_previous, page.has_next), is_there, "{args}");
    }
}

async fn foreign_and_broken_cursors_are_refused(backend: Backend) {
    let app = seeded(backend).await;
    let movies = &LISTS[0];
    let cursor = movies.page(&app, &Value::Null, Some("YEAR"), "first: 1").await.cursors.remove(0);
    for list in LISTS {
        let parent = list.parent_id(&app).await;
        for argument in ["after", "before"] {
            for broken in ["", "?", "AAAA", "W10", "null", &cursor[1..], &cursor.repeat(2)] {
                let errors = list.ask(&app, &parent, None, &format!("{argument}: {}", json!(broken))).await.errors();
                assert_eq!(errors.len(), 1);
                let expected = format!("BAD_USER_INPUT {argument}: is not a valid cursor");
                assert!(errors[0].starts_with(&expected), "{} {broken}: {errors:?}", list.field);
            }
            let errors = list.ask(&app, &parent, None, &format!("{argument}: \"{cursor}\"")).await.errors();
            let reason = if list.field == "Query.movies" {
                "is a cursor for the order YEAR"
            } else {
                "is a cursor of the list movies"
            };
            let expected = format!("BAD_USER_INPUT {argument}: {reason}");
            assert!(errors[0].starts_with(&expected), "{}: {errors:?}", list.field);
        }
    }
    // A cursor is valid after its row was deleted.
    let db = app.sql().await;
    let page = movies.page(&app, &Value::Null, Some("OLDEST"), "first: 3").await;
    let first = "DELETE FROM awards WHERE movie_id = 2; DELETE FROM user_movie_orders WHERE movie_id = 2;
                 DELETE FROM movies WHERE id = 2";
    db.execute_unprepared(first).await.unwrap();
    let after = format!("first: 1, after: \"{}\"", page.cursors[1]);
    assert_eq!(movies.page(&app, &Value::Null, Some("OLDEST"), &after).await.ids, page.ids[2..]);
}
