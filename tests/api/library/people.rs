//! Users, their sessions and the audit log, through both engines.

use chrono::{DateTime, NaiveDate};
use entity::{audit_log, sessions, users};
use graphql::Request;
use sea_orm::{DatabaseConnection, EntityTrait, Set};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::beside::WIDE;
use super::both::Both;
use crate::app::{TestApp, User};
use crate::movie::global_id;
use crate::support::database::Backend;

on_both!(users_are_shown_alike, lists_of_users_are_paged_alike, sessions_are_shown_alike, audit_log_is_read_alike);

/// All of a user; what is private is null for others.
const USER: &str = "fragment U on User {
    __typename id username fullName joinedAt email birthday role bio
    sessions { totalCount pageInfo { hasNextPage hasPreviousPage startCursor endCursor } edges { cursor }
        nodes { __typename id createdAt seenAt expiresAt address agent isCurrent } }
    publications(first: 2) { totalCount nodes { id } pageInfo { endCursor } }
    comments(last: 2) { totalCount nodes { id } edges { cursor node { id } } }
    oldest: comments(first: 1, orderBy: OLDEST) { nodes { id } pageInfo { startCursor } }
    ratings(first: 2) { totalCount nodes { id rating } }
    orders(first: 2) { totalCount nodes { id price } pageInfo { hasNextPage endCursor } }
}";

/// Documents about users; the variables are `name`, `gone`, `self`, `ids` and `yes`.
const DOCUMENTS: &[&str] = &[
    "{ viewer { ...U } }",
    "query($ids: [ID!]!) { nodes(ids: $ids) { __typename id ...U } }",
    "query($ids: [ID!]!, $yes: Boolean!) { nodes(ids: $ids) {
        ... on User { email @skip(if: $yes) mail: email again: email birthday @include(if: $yes) role @include(if: false) } } }",
    "query($name: String!) { user(username: $name) { ...U } }",
    "query($gone: String!) { user(username: $gone) { ...U } nobody: user(username: \"no one\") { id } }",
    "{ user(username: \"a\\u0000b\") { id } empty: user(username: \"\") { id } }",
    "query($self: ID!) { node(id: $self) { id ... on User { username sessions { totalCount } orders { totalCount } } } }",
    "{ viewer { __typename } }",
    "{ viewer { id id email ... on User { email } ... on Node { id } } again: viewer { email } }",
    "{ user { id } }",
    "{ user(username: null) { id } }",
    "{ user(username: 5) { id } }",
    // Pages that cannot be: an error for whoever sees the list, null for others.
    "query($ids: [ID!]!) { nodes(ids: $ids) { ... on User { username sessions(first: -1) { totalCount } } } }",
    "query($ids: [ID!]!) { nodes(ids: $ids) { ... on User { orders(first: 101) { totalCount } } } }",
    "query($ids: [ID!]!) { nodes(ids: $ids) { ... on User { orders(first: 1, last: 1) { totalCount } } } }",
    "query($ids: [ID!]!) { nodes(ids: $ids) { ... on User { sessions(after: \"x\") { totalCount } email } } }",
    "query($ids: [ID!]!) { nodes(ids: $ids) { ... on User { comments(first: 1, orderBy: null) { totalCount } } } }",
    "query($ids: [ID!]!) { nodes(ids: $ids) { ... on User { ratings(last: 101) { totalCount } } } }",
    "{ viewer { publications(first: 0) { totalCount nodes { id } pageInfo { hasNextPage startCursor } } } }",
    "{ viewer { publications(before: \"eyJ\") { totalCount } } }",
    "{ viewer { sessions(first: 1) { nodes { isCurrent } } orders(last: 1) { nodes { id } } role email birthday } }",
];

struct People {
    users: Vec<User>,
    variables: Value,
}

/// A member who has everything, another, an editor, an admin, nobody; and an account that is deleted.
async fn people(app: &TestApp) -> People {
    let db = app.sql().await;
    let busy = busy_user(&db).await;
    let one = app.sign_in_as(busy.id).await;
    let others = [("bob", "member"), ("eve", "editor"), ("root", "admin")];
    let mut users = vec![one];
    for (name, role) in others {
        users.push(app.sign_in(name, role).await);
    }
    users.push(app.nobody());
    for user in &users[..2] {
        add_sessions(&db, user.id).await;
    }
    let gone = users::ActiveModel {
        username: Set("gone".to_owned()),
        email: Set("gone@example.org".to_owned()),
        password: Set("!".to_owned()),
        fio: Set("Гость".to_owned()),
        birthday: Set(NaiveDate::from_ymd_opt(1990, 1, 1).unwrap()),
        deleted_at: Set(NaiveDate::from_ymd_opt(2100, 1, 1)),
        ..Default::default()
    };
    let gone = users::Entity::insert(gone).exec(&db).await.unwrap().last_insert_id;
    let keys = users[..4].iter().map(|user| user.id).chain([gone, 2, 1_000_000, users[0].id]);
    let ids: Vec<_> = keys.map(|key| global_id("User", key)).collect();
    let variables = json!({
        "name": busy.username.to_uppercase(), "gone": "gone", "self": ids[0], "ids": ids, "yes": true,
    });
    People { users, variables }
}

/// Whoever has ordered something, and the most publications.
async fn busy_user(db: &DatabaseConnection) -> users::Model {
    let orders = entity::user_movie_orders::Entity::find().all(db).await.unwrap();
    let user = orders.first().expect("the demo has orders").user_id;
    users::Entity::find_by_id(user).one(db).await.unwrap().unwrap()
}

/// Sessions that are alive, and one that has ended.
async fn add_sessions(db: &DatabaseConnection, user: i32) {
    for (number, expires_at) in [(1_u8, 1_000_000_000), (2, 4_000_000_000), (3, 3_900_000_000)] {
        let at = |seconds| DateTime::from_timestamp(seconds, 0).unwrap().fixed_offset();
        let session = sessions::ActiveModel {
            user_id: Set(user),
            token_hash: Set(Sha256::digest(format!("session {number} of {user}")).to_vec()),
            created_at: Set(at(900_000_000)),
            seen_at: Set(at(900_000_000)),
            expires_at: Set(at(expires_at)),
            address: Set((number > 1).then(|| "192.0.2.1".to_owned())),
            agent: Set((number > 2).then(|| "Агент \"007\"".to_owned())),
            ..Default::default()
        };
        sessions::Entity::insert(session).exec_without_returning(db).await.unwrap();
    }
}

async fn users_are_shown_alike(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let People { users, variables } = people(&app).await;
    let both = Both::new(&app);
    for document in DOCUMENTS {
        let query = if document.contains("...U") { format!("{document} {USER}") } else { (*document).to_owned() };
        for user in &users {
            both.ask(user, &query, variables.clone()).await;
        }
    }
    let seen = both.ask(&users[0], &format!("{{ viewer {{ ...U }} }} {USER}"), json!({})).await;
    let viewer = &seen["data"]["viewer"];
    assert!(viewer["orders"]["totalCount"].as_i64().unwrap() > 0 && viewer["email"].is_string(), "{viewer}");
    assert_eq!(viewer["sessions"]["totalCount"], 3, "one of four has ended");
    let roles = "query($ids: [ID!]!) { nodes(ids: $ids) { ... on User { role email sessions { totalCount } } } }";
    let seen = both.ask(&users[3], roles, variables).await;
    assert_eq!(seen["data"]["nodes"][1], json!({ "role": "MEMBER", "email": null, "sessions": null }));
    assert_eq!(seen["data"]["nodes"][2]["role"], "EDITOR");
    assert_eq!(seen["data"]["nodes"][4], Value::Null);
}

async fn lists_of_users_are_paged_alike(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let People { users, .. } = people(&app).await;
    let both = Both::new(&app);
    let lists = [
        ("publications", ""),
        ("comments", ", orderBy: NEWEST"),
        ("comments", ", orderBy: OLDEST"),
        ("ratings", ""),
        ("orders", ""),
        ("sessions", ""),
    ];
    for (list, more) in lists {
        let query = format!(
            "query($first: Int, $after: String, $last: Int, $before: String) {{ viewer {{
             {list}(first: $first, after: $after, last: $last, before: $before{more}) {{ totalCount nodes {{ id }}
             pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }} edges {{ cursor node {{ id }} }} }} }} }}"
        );
        let path = format!("/data/viewer/{list}");
        let few = both.walk(&users[0], &query, &json!({}), (&path, 1)).await;
        assert_eq!(both.walk(&users[0], &query, &json!({}), (&path, 3)).await, few);
    }
    // A cursor of another order.
    let query = "{ viewer { comments(first: 1) { pageInfo { endCursor } } } }";
    let page = both.ask(&users[0], query, json!({})).await;
    let cursor = &page["data"]["viewer"]["comments"]["pageInfo"]["endCursor"];
    let query = "query($after: String) { viewer { comments(after: $after, orderBy: OLDEST) { totalCount } } }";
    both.ask(&users[0], query, json!({ "after": cursor })).await;
}

async fn sessions_are_shown_alike(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let People { users, .. } = people(&app).await;
    let both = Both::new(&app);
    let all = sessions::Entity::find().all(&app.sql().await).await.unwrap();
    let ids: Vec<_> = all.iter().map(|session| global_id("Session", session.id)).collect();
    let orders = entity::user_movie_orders::Entity::find().all(&app.sql().await).await.unwrap();
    let orders: Vec<_> = orders.iter().take(50).map(|order| global_id("Order", order.id)).collect();
    let queries = [
        "query($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }",
        "query($ids: [ID!]!) { nodes(ids: $ids) { ... on Session { isCurrent agent } ... on Order { price } } }",
        "query($ids: [ID!]!) { nodes(ids: $ids) { ... on Session { address } ... on Order { id } } }",
        "query($id: ID!) { node(id: $id) { __typename ... on Session { createdAt } } }",
    ];
    for query in queries {
        for user in &users {
            both.ask(user, query, json!({ "id": ids[0], "ids": ids })).await;
            both.ask(user, query, json!({ "id": orders[0], "ids": orders })).await;
        }
    }
    let seen = both.ask(&users[0], queries[0], json!({ "ids": ids })).await;
    let own = seen["data"]["nodes"].as_array().unwrap().iter().filter(|node| !node.is_null()).count();
    assert_eq!(own, 4, "by its id also one that has ended");
}

#[test]
fn fields_that_depend_on_who_asks_are_personal() {
    let engine = &*WIDE;
    let user = |field: &str| format!("{{ user(username: \"u\") {{ {field} }} }}");
    let node = |field: &str| format!("{{ node(id: \"x\") {{ ... on Session {{ {field} }} }} }}");
    for (query, is_personal) in [
        (user("email"), true),
        (user("birthday"), true),
        (user("role"), true),
        (user("sessions { totalCount }"), true),
        (user("orders { totalCount }"), true),
        (user("id username fullName joinedAt bio comments { totalCount } ratings { totalCount }"), false),
        (node("isCurrent"), true),
        // Some objects are for their owners only.
        (node("agent"), true),
        ("{ viewer { id } }".to_owned(), true),
        ("{ auditLog { totalCount } }".to_owned(), true),
        ("{ search(query: \"u\") { nodes { snippet } } }".to_owned(), false),
    ] {
        let request = Request { query: &query, operation_name: None, variables: &Map::new() };
        assert_eq!(engine.prepare(&request).unwrap().is_personal(), is_personal, "{query}");
    }
}

const ENTRY: &str = "{ at action objectType objectId actorId actor { id username email } object { __typename id
    ... on Movie { title } ... on User { username role } } changes { __typename field before after } }";

async fn audit_log_is_read_alike(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let People { users, variables } = people(&app).await;
    let both = Both::new(&app);
    let admin = &users[3];
    let movie = json!({ "title": "Новый", "durationMinutes": 90 });
    let id = admin.done("createMovie", movie, "movie { id }").await["movie"]["id"].clone();
    admin.done("updateMovie", json!({ "id": id, "title": "Новее" }), "movie { id }").await;
    admin.done("grantRole", json!({ "userId": variables["ids"][1], "role": "EDITOR" }), "user { id }").await;
    users[2].done("deleteMovie", json!({ "id": id }), "").await;
    users[2].done("createTag", json!({ "title": "7" }), "").await;
    let entry = |kind: &str, key: &str, user: Option<i32>, changes: Value| audit_log::ActiveModel {
        at: Set(DateTime::from_timestamp(1_700_000_000, 0).unwrap().fixed_offset()),
        user_id: Set(user),
        action: Set("updateMovie".to_owned()),
        object_type: Set(kind.to_owned()),
        object_key: Set(key.to_owned()),
        changes: Set(changes),
        ..Default::default()
    };
    let gone = kinoteka::kit::id::split(variables["ids"][4].as_str().unwrap()).unwrap().1;
    let change = json!([{ "field": "title", "before": "\"<b>\"", "after": null }]);
    let entries = [
        entry("Movie", "1", None, change.clone()),
        entry("Movie", "1", Some(gone), json!([])),
        entry("Movie", "no key", Some(users[0].id), change.clone()),
        entry("User", "99999999999", Some(users[0].id), change.clone()),
        entry("User", &gone.to_string(), Some(users[3].id), change.clone()),
        entry("Tag", "5", None, change),
    ];
    audit_log::Entity::insert_many(entries).exec_without_returning(&app.sql().await).await.unwrap();
    let documents = [
        format!("{{ auditLog {{ totalCount nodes {ENTRY} }} }}"),
        format!(
            "{{ auditLog(first: 3, orderBy: OLDEST) {{ edges {{ cursor node {ENTRY} }} pageInfo {{ endCursor }} }} }}"
        ),
        format!("{{ auditLog(last: 2) {{ nodes {ENTRY} }} }}"),
        "{ auditLog { nodes { objectId } } }".to_owned(),
        "{ auditLog { totalCount } }".to_owned(),
        "{ auditLog(first: 101) { totalCount } }".to_owned(),
        "{ auditLog(first: -1) { totalCount } viewer { username } }".to_owned(),
        "{ auditLog(after: \"x\") { nodes { at } } }".to_owned(),
    ];
    for user in &users {
        for document in &documents {
            both.ask(user, document, json!({})).await;
        }
    }
    // Whoever may not read it gets one error, where the server gives one for each. What is looked up for two lists is
    // read together only if both are there at the same moment.
    let query =
        "{ auditLog { nodes { object { id } } } again: auditLog { nodes { actor { username } changes { after } } } }";
    both.compare(admin, query, &json!({})).await;
    for order in ["NEWEST", "OLDEST"] {
        let query = format!(
            "query($first: Int, $after: String, $last: Int, $before: String) {{
             auditLog(first: $first, after: $after, last: $last, before: $before, orderBy: {order}) {{ nodes {ENTRY}
             pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }} }} }}"
        );
        let all = both.walk(admin, &query, &json!({}), ("/data/auditLog", 2)).await;
        assert_eq!(all.len(), 11);
    }
}
