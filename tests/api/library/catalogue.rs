//! People, awards, cinemas, tags and orders.

use std::collections::BTreeMap;

use entity::{person_position, user_movie_orders as orders, users};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, Statement};
use serde_json::{Value, json};

use super::Engines;
use crate::app::TestApp;
use crate::movie::global_id;
use crate::support::database::Backend;

on_both!(
    people_are_answered_alike,
    awards_are_answered_alike,
    cinemas_are_answered_alike,
    tags_are_answered_alike,
    orders_are_answered_alike,
    ids_of_the_catalogue_are_answered_alike,
    errors_of_the_catalogue_are_alike,
    catalogue_asks_no_more_for_more_parents,
    registries_are_read_once_a_moment,
);

const PERSON: &str = "__typename id firstName lastName midName country birthday bio";
const AWARD: &str = "__typename id award { __typename id title description }
    nomination { __typename id title description } person { id lastName } movie { id title }";
const AVAILABILITY: &str = "__typename id price discountPercent rating viewCount updatedAt studentPrice
    cinema { __typename id title url } movie { id title year }";
const PAGE: &str = "totalCount pageInfo { hasPreviousPage hasNextPage startCursor endCursor }";

/// Asks both engines as nobody.
async fn compare_all(engines: &Engines, queries: impl IntoIterator<Item = String>) {
    for query in queries {
        engines.compare(&engines.app.nobody(), &query, &json!({})).await;
    }
}

/// Walks along a list of the root, forward and back, by pages of this size.
async fn walk(engines: &Engines, field: &str, arguments: &str, node: &str, size: usize) {
    for (size_name, place, cursor) in [("first", "after", "endCursor"), ("last", "before", "startCursor")] {
        let query = format!(
            "query($size: Int, $place: String) {{ {field}({size_name}: $size, {place}: $place {arguments}) {{
             {PAGE} edges {{ cursor node {{ {node} }} }} nodes {{ {node} }} }} }}"
        );
        let mut at = Value::Null;
        for _ in 0..4 {
            let variables = json!({ "size": size, "place": at });
            let answer = engines.compare(&engines.app.nobody(), &query, &variables).await;
            at = answer["data"][field]["pageInfo"][cursor].clone();
        }
        assert!(at.is_string(), "{query}");
    }
}

async fn people_are_answered_alike(backend: Backend) {
    let engines = Engines::seeded(backend).await;
    let app = &engines.app;
    for order in ["NEWEST", "OLDEST", "NAME", "NAME_DESC", "BIRTHDAY", "BIRTHDAY_DESC"] {
        walk(&engines, "persons", &format!(", orderBy: {order}"), PERSON, 7).await;
    }
    walk(&engines, "persons", ", filter: { country: \"Россия\" }, orderBy: NAME", PERSON, 7).await;
    let position = person_position::Entity::find().one(&app.sql().await).await.unwrap().unwrap();
    let held = global_id("PersonPosition", position.id);
    let filters = [
        "{}".to_owned(),
        "null".to_owned(),
        "{ name: \"а\" }".to_owned(),
        "{ name: \"ИВАН\" }".to_owned(),
        "{ name: \" \", country: null }".to_owned(),
        "{ birthYear: { from: 1950, to: 1970 } }".to_owned(),
        "{ birthYear: { to: 1940 }, country: \"Россия\" }".to_owned(),
        "{ birthYear: { from: 1990, to: 1980 } }".to_owned(),
        "{ birthYear: { from: 0 } }".to_owned(),
        "{ country: \"\\u0000\" }".to_owned(),
        format!("{{ positionId: \"{held}\" }}"),
        format!("{{ positionId: \"{}\" }}", global_id("Movie", 1)),
        "{ positionId: 5 }".to_owned(),
    ];
    let query = |filter| format!("{{ persons(first: 5, filter: {filter}) {{ {PAGE} nodes {{ {PERSON} }} }} }}");
    compare_all(&engines, filters.iter().map(query)).await;
    compare_all(
        &engines,
        [
            format!(
                "{{ persons(first: 12, orderBy: OLDEST) {{ nodes {{ lastName
                 credits(first: 2) {{ {PAGE} edges {{ cursor node {{ character isLead movie {{ title }} position {{ title }} }} }} }}
                 last: credits(last: 1) {{ {PAGE} nodes {{ id person {{ firstName }} }} }}
                 awards {{ {PAGE} edges {{ cursor node {{ {AWARD} }} }} }} none: awards(first: 0) {{ {PAGE} nodes {{ id }} }}
                 }} }} }}"
            ),
            "{ persons(first: 1) { nodes { ...P ... on Node { id } ... @include(if: false) { bio } } } }
             fragment P on Person { again: lastName lastName awards { nodes { movie { title } } } }"
                .to_owned(),
        ],
    )
    .await;
    let variables = json!({
        "filter": { "birthYear": { "from": 1960 }, "positionId": held, "name": null }, "order": "BIRTHDAY_DESC"
    });
    let query = format!(
        "query($filter: PersonFilter, $order: PersonOrder! = NAME) {{
         persons(filter: $filter, orderBy: $order) {{ {PAGE} nodes {{ birthday bio }} }} }}"
    );
    engines.compare(&app.nobody(), &query, &variables).await;
    engines.compare(&app.nobody(), &query, &json!({})).await;
}

async fn awards_are_answered_alike(backend: Backend) {
    let engines = Engines::seeded(backend).await;
    // One that went to nobody.
    let sql = "INSERT INTO awards (film_award_id, movie_id, nomination_id)
        SELECT 1, id, 1 FROM movies WHERE id > (SELECT max(id) - 2 FROM movies)";
    engines.app.sql().await.execute_unprepared(sql).await.unwrap();
    walk(&engines, "filmAwards", "", "__typename id title description", 2).await;
    walk(&engines, "filmAwardNominations", "", "__typename id title description", 3).await;
    let on_movies = |arguments: &str| {
        format!(
            "{{ movies(first: 60) {{ nodes {{ awards{arguments} {{ {PAGE} edges {{ cursor node {{ {AWARD} }} }} }} }} }} }}"
        )
    };
    compare_all(&engines, ["", "(first: 1)", "(last: 1)", "(first: 0)"].map(on_movies)).await;
    compare_all(
        &engines,
        ["{ movies(first: 30) { nodes { awards { nodes { award { title } } totalCount }
             staff { nodes { person { awards(first: 1) { nodes { movie { awards { totalCount } } } } } } } } }
           filmAwards { totalCount nodes { title } } filmAwardNominations(last: 2) { nodes { description } } }"
            .to_owned()],
    )
    .await;
}

async fn cinemas_are_answered_alike(backend: Backend) {
    let engines = Engines::seeded(backend).await;
    let app = &engines.app;
    app.sql()
        .await
        .execute_unprepared(
            "UPDATE cinema_online_movie_presence SET last_update = NULL, view_count = NULL WHERE id % 5 = 0",
        )
        .await
        .unwrap();
    for order in ["TITLE", "TITLE_DESC"] {
        walk(&engines, "cinemas", &format!(", orderBy: {order}"), "__typename id title url", 3).await;
        walk(
            &engines,
            "cinemas",
            &format!(", orderBy: {order}"),
            &format!("movies(last: 3) {{ {PAGE} nodes {{ {AVAILABILITY} }} }}"),
            3,
        )
        .await;
    }
    for order in ["UPDATED_AT", "UPDATED_AT_DESC"] {
        walk(&engines, "availabilities", &format!(", orderBy: {order}"), AVAILABILITY, 20).await;
    }
    // From the values into the NULLs.
    let all = format!("{{ availabilities(last: 100) {{ {PAGE} edges {{ cursor node {{ updatedAt }} }} }} }}");
    let answer = engines.compare(&app.nobody(), &all, &json!({})).await;
    let edges = answer["data"]["availabilities"]["edges"].as_array().unwrap();
    let between = json!({ "after": edges[10]["cursor"], "before": edges[50]["cursor"] });
    let query = format!(
        "query($after: String, $before: String) {{ availabilities(after: $after, before: $before, first: 100) {{
         {PAGE} nodes {{ {AVAILABILITY} }} }} }}"
    );
    engines.compare(&app.nobody(), &query, &between).await;
    let titles = ["", " ", "к", "кино", "КИНО", "\\\"", "%", "\\u0000"];
    let query = |title| format!("{{ cinemas(filter: {{ title: \"{title}\" }}) {{ {PAGE} nodes {{ id title }} }} }}");
    compare_all(&engines, titles.map(query)).await;
    let cinema = global_id("Cinema", 1);
    let arguments = [
        String::new(),
        "(first: 2)".to_owned(),
        "(last: 1)".to_owned(),
        format!("(cinemaId: \"{cinema}\")"),
        format!("(cinemaId: \"{cinema}\", maxPrice: \"300.00\", last: 3)"),
        "(maxPrice: 250)".to_owned(),
        "(maxPrice: 199.5, cinemaId: null)".to_owned(),
        format!("(cinemaId: \"{}\")", global_id("Movie", 1)),
    ];
    let query = |arguments| {
        format!(
            "{{ movies(first: 30) {{ nodes {{ availability{arguments} {{ {PAGE} edges {{ cursor node {{ {AVAILABILITY} }} }} }} }} }} }}"
        )
    };
    compare_all(&engines, arguments.iter().map(query)).await;
    let query = "query($cinema: ID, $price: Decimal) { movies { nodes {
        availability(cinemaId: $cinema, maxPrice: $price) { totalCount nodes { studentPrice } } } } }";
    for variables in [json!({}), json!({ "cinema": cinema, "price": "320.10" }), json!({ "price": 400 })] {
        engines.compare(&app.nobody(), query, &variables).await;
    }
}

async fn tags_are_answered_alike(backend: Backend) {
    let engines = Engines::seeded(backend).await;
    walk(&engines, "tags", "", "__typename title", 4).await;
    let queries =
        ["{ tags { totalCount } }", "{ tags { nodes { __typename } } }", "{ tags(first: 0) { edges { cursor } } }"];
    compare_all(&engines, queries.map(str::to_owned)).await;
}

async fn orders_are_answered_alike(backend: Backend) {
    let engines = Engines::seeded(backend).await;
    let app = &engines.app;
    let db = app.sql().await;
    let living = users::Entity::find().filter(users::Column::DeletedAt.is_null()).all(&db).await.unwrap();
    let living: Vec<i32> = living.iter().map(|user| user.id).collect();
    let rows = orders::Entity::find().order_by_asc(orders::Column::Id).all(&db).await.unwrap();
    let owner = rows.iter().map(|order| order.user_id).find(|user| living.contains(user)).unwrap();
    let ids: Vec<_> = rows.iter().filter(|order| order.user_id == owner).map(|order| order.id).collect();
    // Some are the owner's, others are not.
    let ids: Vec<_> = ids.into_iter().chain(1..5).map(|id| global_id("Order", id)).collect();
    let full = "__typename id number price orderedAt movie { title plot } cinema { title url }";
    for asks in [app.sign_in_as(owner).await, app.sign_in("stranger", "admin").await, app.nobody()] {
        for selected in [full, "__typename", "movie { title }", "price", "id ... on Node { id }"] {
            let query = format!(
                "query($ids: [ID!]!, $id: ID!) {{ nodes(ids: $ids) {{ ... on Order {{ {selected} }} }}
                 node(id: $id) {{ ... on Order {{ {selected} }} }} }}"
            );
            let answer = engines.compare(&asks, &query, &json!({ "ids": ids, "id": ids[0] })).await;
            assert_eq!(answer["data"]["node"].is_null(), asks.id != owner, "{answer}");
        }
    }
}

/// Every type with ids, in one list and alone. Two types that have a field in common would show that the old engine
/// orders it by the type that is named first.
async fn ids_of_the_catalogue_are_answered_alike(backend: Backend) {
    let engines = Engines::seeded(backend).await;
    let types = [
        "Availability",
        "Cinema",
        "FilmAward",
        "FilmAwardNomination",
        "Movie",
        "MovieAward",
        "Person",
        "PersonPosition",
        "StaffMember",
    ];
    let ids: Vec<_> = [1, 2, 999_999].iter().flat_map(|key| types.map(|name| global_id(name, *key))).collect();
    let selected = format!(
        "__typename id ... on Availability {{ {} }} ... on Cinema {{ title movies(first: 1) {{ totalCount }} }}
         ... on FilmAward {{ title description }} ... on FilmAwardNomination {{ name: title }}
         ... on Movie {{ title awards {{ totalCount }} availability(first: 1) {{ nodes {{ price }} }} }}
         ... on MovieAward {{ {AWARD} }} ... on Person {{ {PERSON} }} ... on PersonPosition {{ title }}",
        AVAILABILITY.replace("movie {", "shown: movie {")
    );
    let query = format!("query($ids: [ID!]!) {{ nodes(ids: $ids) {{ {selected} }} }}");
    engines.compare(&engines.app.nobody(), &query, &json!({ "ids": ids })).await;
    let query = format!("query($id: ID!) {{ node(id: $id) {{ {selected} }} }}");
    for id in &ids {
        engines.compare(&engines.app.nobody(), &query, &json!({ "id": id })).await;
    }
    let query = "query($person: ID!, $cinema: ID!) { person(id: $person) { id awards { totalCount } }
        again: person(id: $person) { bio } cinema(id: $cinema) { title movies(first: 2) { nodes { price } } } }";
    for key in [1, 2, 999_999] {
        let variables = json!({ "person": global_id("Person", key), "cinema": global_id("Cinema", key) });
        engines.compare(&engines.app.nobody(), query, &variables).await;
    }
}

async fn errors_of_the_catalogue_are_alike(backend: Backend) {
    let engines = Engines::seeded(backend).await;
    let roots = ["persons", "filmAwards", "filmAwardNominations", "cinemas", "availabilities", "tags"];
    let pages = ["first: 1, last: 1", "first: -1", "last: 101", "after: \"nonsense\"", "before: \"\""];
    let lists = roots.iter().flat_map(|list| pages.map(|page| format!("{{ {list}({page}) {{ totalCount }} }}")));
    compare_all(&engines, lists).await;
    // A cursor of another list, and of another order.
    let foreign = "{ filmAwards(first: 1) { pageInfo { endCursor } } persons(first: 1) { pageInfo { endCursor } } }";
    let data = engines.app.data(foreign, json!({})).await;
    let cursor = |list: &str| data[list]["pageInfo"]["endCursor"].as_str().unwrap().to_owned();
    let (awards, persons) = (cursor("filmAwards"), cursor("persons"));
    compare_all(
        &engines,
        [
            format!("{{ filmAwardNominations(after: \"{awards}\") {{ totalCount }} }}"),
            format!("{{ persons(after: \"{persons}\", orderBy: NAME) {{ totalCount }} }}"),
            format!("{{ persons(first: 2) {{ nodes {{ awards(after: \"{awards}\") {{ totalCount }} }} }} }}"),
            format!(
                "{{ movies(first: 3) {{ nodes {{ title awards(last: -1) {{ totalCount }} }} }} tags {{ totalCount }} }}"
            ),
            "{ cinemas(first: 2) { edges { node { movies(first: 1, last: 1) { nodes { id } } } } } }".to_owned(),
            "{ person(id: \"nonsense\") { id } cinema(id: 5) { id } }".to_owned(),
            format!("{{ person(id: \"{}\") {{ id }} }}", global_id("Cinema", 1)),
            format!("{{ cinema(id: \"{}\") {{ id }} tags(first: 1) {{ nodes {{ title }} }} }}", global_id("Tag", 1)),
            format!("{{ node(id: \"{}\") {{ id }} }}", global_id("Tag", 1)),
        ],
    )
    .await;
}

/// What hangs on objects of each type, and their keys.
const PARENTS: &[(&str, &str, &str)] = &[
    (
        "Movie",
        "SELECT movie_id FROM awards GROUP BY movie_id ORDER BY count(*) DESC, movie_id",
        "awards(first: 5) { totalCount nodes { award { title } nomination { title } person { bio } movie { plot } } }
         availability(first: 5) { totalCount nodes { studentPrice cinema { title } } }",
    ),
    (
        "Person",
        "SELECT person_id FROM awards WHERE person_id IS NOT NULL GROUP BY person_id ORDER BY count(*) DESC, person_id",
        "bio awards(last: 5) { totalCount nodes { award { description } nomination { title } movie { title } } }
         credits { totalCount nodes { position { title } } }",
    ),
    (
        "Cinema",
        "SELECT id FROM cinema_online ORDER BY id",
        "url movies(first: 5) { totalCount nodes { price movie { title awards { nodes { award { title } } } } } }",
    ),
    ("Availability", "SELECT id FROM cinema_online_movie_presence ORDER BY id", "cinema { title } movie { plot }"),
    (
        "MovieAward",
        "SELECT id FROM awards WHERE person_id IS NOT NULL ORDER BY id",
        "award { title } nomination { title } person { bio }",
    ),
];

/// The tables that statements read from, with how many do.
fn tables(statements: &[String]) -> BTreeMap<String, usize> {
    let mut tables = BTreeMap::new();
    for sql in statements {
        *tables.entry(crate::statements::main_table(sql).to_owned()).or_default() += 1;
    }
    tables
}

async fn keys(app: &TestApp, sql: &str, limit: usize) -> Vec<i32> {
    let db = app.sql().await;
    let sql = format!("{sql} LIMIT {limit}");
    let rows = db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await.unwrap();
    rows.iter().map(|row| row.try_get_by_index(0).unwrap()).collect()
}

async fn catalogue_asks_no_more_for_more_parents(backend: Backend) {
    let engines = Engines::seeded(backend).await;
    for (parent, sql, selected) in PARENTS {
        let query = format!("query($ids: [ID!]!) {{ nodes(ids: $ids) {{ ... on {parent} {{ {selected} }} }} }}");
        let mut costs = Vec::new();
        for parents in [1, 50] {
            let keys = keys(&engines.app, sql, parents).await;
            let ids = json!({ "ids": keys.iter().map(|key| global_id(parent, *key)).collect::<Vec<_>>() });
            let new = tables(&engines.statements_of(&engines.services(), &query, &ids).await);
            let old = tables(&engines.app.statements_of(&query, ids).await);
            for (table, count) in &new {
                // The old one may have read them for another query.
                let old = if crate::statements::KEPT.contains(&table.as_str()) { 1 } else { old[table] };
                assert!(*count <= old, "{parent}: {new:?} {old:?}");
            }
            costs.push(new);
        }
        assert_eq!(costs[0], costs[1], "{parent}");
    }
}

async fn registries_are_read_once_a_moment(backend: Backend) {
    let engines = Engines::seeded(backend).await;
    let services = engines.services();
    let query =
        "{ movies(first: 50, orderBy: OLDEST) { nodes { awards { nodes { award { title } nomination { title } } }
        availability { nodes { cinema { title } } } } } }";
    let read = async || tables(&engines.statements_of(&services, query, &json!({})).await);
    let first = read().await;
    assert_eq!(first.len(), 6, "{first:?}");
    // On a busy machine the moment may be over by then.
    let begun = std::time::Instant::now();
    while read().await.keys().ne(["awards", "cinema_online_movie_presence", "movies"]) {
        assert!(begun.elapsed() < std::time::Duration::from_secs(60), "they are read each time");
    }
    // What is asked for by its id is always read.
    let query = "query($id: ID!) { cinema(id: $id) { title } }";
    let statements = engines.statements_of(&services, query, &json!({ "id": global_id("Cinema", 1) })).await;
    assert_eq!(tables(&statements).into_keys().collect::<Vec<_>>(), ["cinema_online"]);
}
