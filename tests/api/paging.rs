//! The paging invariants, written once, for every connection under every order.

use std::collections::BTreeSet;

use sea_orm::{ConnectionTrait, Statement};
use serde_json::{Value, json};

use crate::app::TestApp;
use crate::movie::global_id;
use crate::support::database::Backend;

on_both!(
    every_connection_is_covered,
    walks_lose_and_repeat_nothing,
    rows_inserted_between_pages_disturb_nothing,
    sizes_are_bounded,
    both_cursors_bound_a_page,
    page_info_is_what_relay_defines,
    foreign_and_broken_cursors_are_refused,
);

/// A list under test.
pub struct List {
    /// `Type.field` in the schema.
    pub field: &'static str,
    /// For a list that hangs on a parent: its type, and SQL for the one with the most rows.
    pub parent: Option<(&'static str, &'static str)>,
    /// The orders offered; empty if there is no choice.
    orders: &'static [&'static str],
    /// Rows on a page of the walks, small enough to make many pages.
    size: usize,
}

pub const LISTS: &[List] = &[
    List {
        field: "Query.movies",
        parent: None,
        orders: &[
            "NEWEST",
            "OLDEST",
            "TITLE",
            "TITLE_DESC",
            "YEAR",
            "YEAR_DESC",
            "RATING",
            "RATING_DESC",
            "USER_RATING",
            "USER_RATING_DESC",
            "BOX_OFFICE",
            "BOX_OFFICE_DESC",
        ],
        size: 37,
    },
    List {
        field: "Query.persons",
        parent: None,
        orders: &["NEWEST", "OLDEST", "NAME", "NAME_DESC", "BIRTHDAY", "BIRTHDAY_DESC"],
        size: 97,
    },
    List { field: "Query.personPositions", parent: None, orders: &[], size: 5 },
    List { field: "Query.filmAwards", parent: None, orders: &[], size: 4 },
    List { field: "Query.filmAwardNominations", parent: None, orders: &[], size: 7 },
    List { field: "Query.cinemas", parent: None, orders: &["TITLE", "TITLE_DESC"], size: 3 },
    List { field: "Query.availabilities", parent: None, orders: &["UPDATED_AT", "UPDATED_AT_DESC"], size: 99 },
    List {
        field: "Query.publications",
        parent: None,
        orders: &["NEWEST", "OLDEST", "TITLE", "TITLE_DESC", "USER_RATING", "USER_RATING_DESC"],
        size: 31,
    },
    List { field: "Query.tags", parent: None, orders: &[], size: 4 },
    List { field: "Query.publicationCategories", parent: None, orders: &[], size: 2 },
    List {
        field: "Movie.staff",
        parent: Some((
            "Movie",
            "SELECT movie_id FROM movie_staff_m2m GROUP BY movie_id ORDER BY count(*) DESC, movie_id LIMIT 1",
        )),
        orders: &[],
        size: 3,
    },
    List {
        field: "Movie.awards",
        parent: Some((
            "Movie",
            "SELECT movie_id FROM awards GROUP BY movie_id ORDER BY count(*) DESC, movie_id LIMIT 1",
        )),
        orders: &[],
        size: 1,
    },
    List {
        field: "Movie.availability",
        parent: Some((
            "Movie",
            "SELECT movie_id FROM cinema_online_movie_presence GROUP BY movie_id ORDER BY count(*) DESC, movie_id LIMIT 1",
        )),
        orders: &[],
        size: 2,
    },
    List {
        field: "Movie.comments",
        parent: Some((
            "Movie",
            "SELECT movie_id FROM comments WHERE movie_id IS NOT NULL AND parent_id IS NULL GROUP BY movie_id ORDER BY count(*) DESC, movie_id LIMIT 1",
        )),
        orders: &["NEWEST", "OLDEST"],
        size: 7,
    },
    List {
        field: "Person.credits",
        parent: Some((
            "Person",
            "SELECT person_id FROM movie_staff_m2m GROUP BY person_id ORDER BY count(*) DESC, person_id LIMIT 1",
        )),
        orders: &[],
        size: 2,
    },
    List {
        field: "Person.awards",
        parent: Some((
            "Person",
            "SELECT person_id FROM awards WHERE person_id IS NOT NULL GROUP BY person_id ORDER BY count(*) DESC, person_id LIMIT 1",
        )),
        orders: &[],
        size: 1,
    },
    List {
        field: "Cinema.movies",
        parent: Some((
            "Cinema",
            "SELECT cinema_id FROM cinema_online_movie_presence GROUP BY cinema_id ORDER BY count(*) DESC, cinema_id LIMIT 1",
        )),
        orders: &[],
        size: 50,
    },
    List {
        field: "Publication.comments",
        parent: Some((
            "Publication",
            "SELECT publication_id FROM comments WHERE publication_id IS NOT NULL AND parent_id IS NULL GROUP BY publication_id ORDER BY count(*) DESC, publication_id LIMIT 1",
        )),
        orders: &["NEWEST", "OLDEST"],
        size: 7,
    },
    List {
        field: "Comment.replies",
        parent: Some((
            "Comment",
            "SELECT parent_id FROM comments WHERE parent_id IS NOT NULL GROUP BY parent_id ORDER BY count(*) DESC, parent_id LIMIT 1",
        )),
        orders: &["NEWEST", "OLDEST"],
        size: 2,
    },
    List {
        field: "User.publications",
        parent: Some((
            "User",
            "SELECT author FROM publications WHERE author IN (SELECT id FROM users WHERE deleted_at IS NULL) GROUP BY author ORDER BY count(*) DESC, author LIMIT 1",
        )),
        orders: &[],
        size: 2,
    },
    List {
        field: "User.comments",
        parent: Some((
            "User",
            "SELECT user_id FROM comments WHERE user_id IN (SELECT id FROM users WHERE deleted_at IS NULL) GROUP BY user_id ORDER BY count(*) DESC, user_id LIMIT 1",
        )),
        orders: &["NEWEST", "OLDEST"],
        size: 9,
    },
    List {
        field: "User.ratings",
        parent: Some((
            "User",
            "SELECT user_id FROM users_rating WHERE user_id IN (SELECT id FROM users WHERE deleted_at IS NULL) GROUP BY user_id ORDER BY count(*) DESC, user_id LIMIT 1",
        )),
        orders: &[],
        size: 9,
    },
    List {
        field: "User.orders",
        parent: Some((
            "User",
            "SELECT user_id FROM user_movie_orders WHERE user_id IN (SELECT id FROM users WHERE deleted_at IS NULL) GROUP BY user_id ORDER BY count(*) DESC, user_id LIMIT 1",
        )),
        orders: &[],
        size: 2,
    },
    List {
        field: "User.sessions",
        parent: Some(("User", "SELECT user_id FROM sessions GROUP BY user_id ORDER BY count(*) DESC LIMIT 1")),
        orders: &[],
        size: 4,
    },
    List { field: "Query.auditLog", parent: None, orders: &["NEWEST", "OLDEST"], size: 7 },
];

/// The demo catalogue, whose first user is an admin with sessions and has changed something.
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

/// One page as the walks need it.
#[derive(Debug)]
struct Page {
    ids: Vec<String>,
    cursors: Vec<String>,
    has_next: bool,
    has_previous: bool,
    total: usize,
}

impl List {
    async fn parent_id(&self, app: &TestApp) -> Value {
        let Some((type_name, sql)) = self.parent else { return Value::Null };
        let db = app.sql().await;
        let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await.unwrap().unwrap();
        json!(global_id(type_name, row.try_get_by_index(0).unwrap()))
    }

    fn orders(&self) -> Vec<Option<&'static str>> {
        if self.orders.is_empty() { vec![None] } else { self.orders.iter().copied().map(Some).collect() }
    }

    /// Asks for a page; `args` are Relay's, such as `first: 3, after: "..."`.
    async fn ask(&self, app: &TestApp, parent: &Value, order: Option<&str>, args: &str) -> crate::app::Answer {
        let field = self.field.split_once('.').unwrap().1;
        let order = order.map(|order| format!("orderBy: {order}")).unwrap_or_default();
        let arguments = format!("{args} {order}");
        let arguments = if arguments.trim().is_empty() { String::new() } else { format!("({arguments})") };
        let list = format!(
            "page: {field}{arguments} {{ totalCount edges {{ cursor node {{ {} }} }}
             pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }} }}",
            match self.field {
                "Query.tags" => "id: title",
                "Query.auditLog" => "id: objectId",
                _ => "id",
            }
        );
        let asker = match self.field {
            "User.orders" | "User.sessions" => {
                app.sign_in_as(kinoteka::kit::id::split(parent.as_str().unwrap()).unwrap().1).await
            }
            "Query.auditLog" => app.sign_in_as(1).await,
            _ => app.nobody(),
        };
        match self.parent {
            None => asker.query(&format!("{{ {list} }}"), json!({})).await,
            Some((type_name, _)) => {
                let query =
                    format!("query($id: ID!) {{ parent: node(id: $id) {{ ... on {type_name} {{ {list} }} }} }}");
                asker.query(&query, json!({ "id": parent })).await
            }
        }
    }

    async fn page(&self, app: &TestApp, parent: &Value, order: Option<&str>, args: &str) -> Page {
        let data = self.ask(app, parent, order, args).await.data();
        let page = if self.parent.is_some() { &data["parent"]["page"] } else { &data["page"] };
        let edges = page["edges"].as_array().unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let cursors: Vec<_> = edges.iter().map(|edge| text(&edge["cursor"])).collect();
        assert_eq!(page["pageInfo"]["startCursor"], json!(cursors.first()), "{}", self.field);
        assert_eq!(page["pageInfo"]["endCursor"], json!(cursors.last()), "{}", self.field);
        Page {
            ids: edges.iter().map(|edge| text(&edge["node"]["id"])).collect(),
            cursors,
            has_next: page["pageInfo"]["hasNextPage"].as_bool().unwrap(),
            has_previous: page["pageInfo"]["hasPreviousPage"].as_bool().unwrap(),
            total: usize::try_from(page["totalCount"].as_u64().unwrap()).unwrap(),
        }
    }

    /// The ids of all pages, walking from the start or from the end; `between` runs after each page.
    async fn walk(
        &self,
        app: &TestApp,
        order: Option<&str>,
        backward: bool,
        mut between: impl AsyncFnMut(),
    ) -> Vec<Vec<String>> {
        let parent = self.parent_id(app).await;
        let (size, cursor) = if backward { ("last", "before") } else { ("first", "after") };
        let mut pages = Vec::new();
        let mut place = String::new();
        for _ in 0..1000 {
            let page = self.page(app, &parent, order, &format!("{size}: {} {place}", self.size)).await;
            let (more, behind, edge) = if backward {
                (page.has_previous, page.has_next, page.cursors.first())
            } else {
                (page.has_next, page.has_previous, page.cursors.last())
            };
            assert_eq!(behind, !pages.is_empty(), "{}: what lies behind", self.field);
            assert!(!more || page.ids.len() == self.size, "{}: only the last page may be short", self.field);
            place = edge.map(|edge| format!("{cursor}: \"{edge}\"")).unwrap_or_default();
            pages.push(page.ids);
            between().await;
            if !more {
                return pages;
            }
        }
        panic!("{}: the walk does not end", self.field);
    }
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
            // A search is ranked in memory; its pages have tests of their own.
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

async fn walks_lose_and_repeat_nothing(backend: Backend) {
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
            assert!(total > list.size, "{}: one page proves nothing", list.field);
        }
    }
}

async fn rows_inserted_between_pages_disturb_nothing(backend: Backend) {
    let app = seeded(backend).await;
    let db = app.sql().await;
    let list = &LISTS[0];
    let mut year = 1900;
    for order in list.orders() {
        for backward in [false, true] {
            let mut known = list.walk(&app, order, false, async || {}).await.concat();
            let inserting = list
                .walk(&app, order, backward, async || {
                    // Rows before and behind the place of the walk, with and without the keys.
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
                let expected = format!("BAD_USER_INPUT {size}: {refused} is out of range; ask for 0 to 100");
                assert_eq!(errors, [expected], "{}", list.field);
            }
        }
        let default = list.page(&app, &parent, None, "").await;
        assert_eq!(default.ids.len(), default.total.min(20), "{}: the default is 20", list.field);
        let errors = list.ask(&app, &parent, None, "first: 1, last: 1").await.errors();
        assert_eq!(errors, ["BAD_USER_INPUT last: cannot go with `first`; name one of the two"], "{}", list.field);
    }
}

async fn both_cursors_bound_a_page(backend: Backend) {
    let app = seeded(backend).await;
    let list = &LISTS[0];
    for order in list.orders() {
        let all = list.walk(&app, order, false, async || {}).await.concat();
        // The first and the last places are of different kinds where NULLs come last.
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

/// Section 5 of the specification: `first` and `last` tell of the rows between the cursors, and what lies beyond a
/// cursor counts where they are left out.
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
    // Nobody looks whether the row of a cursor is still there.
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
                let expected = format!("BAD_USER_INPUT {argument}: not a cursor");
                assert!(errors[0].starts_with(&expected), "{} {broken}: {errors:?}", list.field);
            }
            let errors = list.ask(&app, &parent, None, &format!("{argument}: \"{cursor}\"")).await.errors();
            let reason =
                if list.field == "Query.movies" { "was made under the order YEAR" } else { "is of the list movies" };
            let expected = format!("BAD_USER_INPUT {argument}: this cursor {reason}");
            assert!(errors[0].starts_with(&expected), "{}: {errors:?}", list.field);
        }
    }
    // A cursor outlives its row.
    let db = app.sql().await;
    let page = movies.page(&app, &Value::Null, Some("OLDEST"), "first: 3").await;
    let first = "DELETE FROM awards WHERE movie_id = 2; DELETE FROM user_movie_orders WHERE movie_id = 2;
                 DELETE FROM movies WHERE id = 2";
    db.execute_unprepared(first).await.unwrap();
    let after = format!("first: 1, after: \"{}\"", page.cursors[1]);
    assert_eq!(movies.page(&app, &Value::Null, Some("OLDEST"), &after).await.ids, page.ids[2..]);
}
