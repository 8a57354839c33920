//! All connections of the schema, and requests for their pages.

use sea_orm::{ConnectionTrait, Statement};
use serde_json::{Value, json};

use crate::app::TestApp;
use crate::movie::global_id;

/// A list under test.
pub struct List {
    /// `Type.field` in the schema.
    pub field: &'static str,
    /// For a nested list: the parent's type, and SQL for the parent with the most rows.
    pub parent: Option<(&'static str, &'static str)>,
    /// The available orders; empty if there is no choice.
    pub orders: &'static [&'static str],
    /// The page size of the walks, small enough for many pages.
    pub size: usize,
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
    List { field: "Query.comments", parent: None, orders: &["NEWEST", "OLDEST"], size: 99 },
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

/// A page with the fields that the walks need.
#[derive(Debug)]
pub struct Page {
    pub ids: Vec<String>,
    pub cursors: Vec<String>,
    pub has_next: bool,
    pub has_previous: bool,
    pub total: usize,
}

impl List {
    pub async fn parent_id(&self, app: &TestApp) -> Value {
        let Some((type_name, sql)) = self.parent else { return Value::Null };
        let db = app.sql().await;
        let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await.unwrap().unwrap();
        json!(global_id(type_name, row.try_get_by_index(0).unwrap()))
    }

    pub fn orders(&self) -> Vec<Option<&'static str>> {
        if self.orders.is_empty() { vec![None] } else { self.orders.iter().copied().map(Some).collect() }
    }

    /// Requests a page. `args` are Relay's, such as `first: 3, after: "..."`.
    pub async fn ask(
        &self,
        app: &TestApp,
        parent: &Value,
        order: Option<&str>,
        args: &str,
    ) -> crate::app::GraphqlResponse {
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
            _ => app.anonymous(),
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

    pub async fn page(&self, app: &TestApp, parent: &Value, order: Option<&str>, args: &str) -> Page {
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
    pub async fn walk(
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
            assert_eq!(behind, !pages.is_empty(), "{}: whether there are rows behind", self.field);
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
