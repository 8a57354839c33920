//! Properties of an operation before execution.

use std::sync::LazyLock;

use graphql::{Engine, EngineRefusal, PreparedOperation, Request};
use kinoteka::http::Limits;
use kinoteka::library;

static ENGINE: LazyLock<Engine> = LazyLock::new(|| library::engine(&Limits::DEFAULT, true).unwrap());

fn prepare(engine: &Engine, query: &str) -> Result<PreparedOperation, EngineRefusal> {
    engine.prepare(&Request { query, operation_name: None, variables: &serde_json::Map::new() })
}

/// All listeners share the results of operations without personal fields.
#[test]
fn fields_that_depend_on_the_viewer_are_personal() {
    let user = |field: &str| format!("{{ user(username: \"u\") {{ {field} }} }}");
    let node = |of: &str, field: &str| format!("{{ node(id: \"x\") {{ ... on {of} {{ {field} }} }} }}");
    for (query, is_personal) in [
        (user("email"), true),
        (user("birthday"), true),
        (user("role"), true),
        (user("sessions { totalCount }"), true),
        (user("orders { totalCount }"), true),
        (user("id username fullName joinedAt bio comments { totalCount } ratings { totalCount }"), false),
        (node("Session", "isCurrent"), true),
        // Some objects are visible only to their owners.
        (node("Session", "agent"), true),
        ("{ movie(id: \"x\") { viewerRating } }".to_owned(), true),
        ("{ publication(id: \"x\") { viewerRating } }".to_owned(), true),
        ("{ publication(id: \"x\") { canEdit } }".to_owned(), true),
        ("{ comment(id: \"x\") { canEdit } }".to_owned(), true),
        ("{ viewer { id } }".to_owned(), true),
        ("{ auditLog { totalCount } }".to_owned(), true),
        ("{ search(query: \"u\") { nodes { snippet } } }".to_owned(), false),
        ("{ movies { nodes { title userRating { average } } } }".to_owned(), false),
        ("subscription { commentAdded { comment { text author { username } } } }".to_owned(), false),
        ("subscription { commentAdded { comment { canEdit } } }".to_owned(), true),
    ] {
        assert_eq!(prepare(&ENGINE, &query).unwrap().is_personal(), is_personal, "{query}");
    }
}

#[test]
fn threads_cost_as_much_as_their_maximum_of_comments() {
    let engine = library::engine(&Limits { limit_complexity: 2_250, ..Limits::DEFAULT }, false).unwrap();
    let fits = |first: i32| {
        let query = format!("{{ comment(id: \"\") {{ thread(first: {first}) {{ nodes {{ text }} }} }} }}");
        prepare(&engine, &query).is_ok()
    };
    // A comment counts 1, and its text 4.
    assert!(fits(400) && !fits(500));
}

/// Each level from type to type would multiply the response.
#[test]
fn introspection_has_limits() {
    let levels = |levels: usize| {
        let lists: String = ["possibleTypes { ", "interfaces { "].into_iter().cycle().take(levels).collect();
        format!("{{ __schema {{ types {{ {lists} name {} }} }} }}", "} ".repeat(levels))
    };
    let is_allowed = |count| prepare(&ENGINE, &levels(count)).is_ok();
    assert!(is_allowed(2) && !is_allowed(3) && !is_allowed(10));
}
