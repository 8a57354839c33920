//! Ratings, and their totals on movies and publications.

use serde_json::json;

use super::asker::Beside;
use crate::movie::global_id;
use crate::support::database::Backend;

on_both!(
    ratings_are_answered_alike,
    totals_and_viewers_ratings_are_answered_alike,
    viewers_see_their_own_ratings_at_the_same_time,
    ratings_cost_no_more_statements,
);

/// All fields of a rating.
const RATING: &str = "fragment R on Rating { __typename id rating createdAt user { id username }
    subject { __typename ... on Movie { id title viewerRating userRating { count } }
        ... on Publication { id title viewerRating userRating { average } author { username } } } }";

/// What is shown of movies.
const MOVIES: &str = "query($first: Int!) { movies(first: $first) { nodes { id
    userRating { __typename average count histogram } viewerRating again: userRating { count }
    comments(first: 1) { totalCount nodes { text subject { ... on Movie { viewerRating } } } } } }
    publications(first: $first) { nodes { id userRating { average count histogram } viewerRating } } }";

async fn ratings_are_answered_alike(backend: Backend) {
    let beside = Beside::seeded(backend).await;
    let [nobody, ann, _] = beside.askers().await;
    let subjects = [global_id("Movie", 1), global_id("Publication", 1)];
    for (subject, given) in subjects.iter().zip([1, 5]) {
        ann.user.done("rate", json!({ "subjectId": subject, "rating": given }), "rating { id }").await;
    }
    let mut ids = beside.ids("Rating", "SELECT id FROM users_rating ORDER BY id LIMIT 40").await;
    let gone = "SELECT r.id FROM users_rating r JOIN users u ON u.id = r.user_id
        WHERE u.deleted_at IS NOT NULL ORDER BY r.id LIMIT 5";
    ids.extend(beside.ids("Rating", gone).await);
    ids.extend(beside.ids("Rating", "SELECT id FROM users_rating ORDER BY id DESC LIMIT 2").await);
    ids.push(json!(global_id("Rating", i32::MAX)));
    let all = format!("query($ids: [ID!]!) {{ nodes(ids: $ids) {{ ...R }} }} {RATING}");
    for asker in [&nobody, &ann] {
        let shown = beside.data(asker, &all, &json!({ "ids": ids })).await;
        assert!(shown["nodes"].as_array().unwrap().iter().any(|rating| rating["user"].is_null()));
    }
    for page in ["", "(first: 2)", "(last: 3)", "(first: 0)", "(first: 101)", "(before: \"nonsense\")"] {
        let query = format!(
            "query($ids: [ID!]!) {{ nodes(ids: $ids) {{ ... on Rating {{ user {{ ratings{page} {{ totalCount
             pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }} edges {{ cursor node {{ ...R }} }}
             }} }} }} }} }} {RATING}"
        );
        for asker in [&nobody, &ann] {
            // Errors of the old engine come in the order in which its resolvers end.
            let few = if page.contains("101") || page.contains("nonsense") { 1 } else { 10 };
            beside.alike(asker, &query, &json!({ "ids": ids[..few] })).await;
        }
    }
    let shown = beside
        .data(
            &ann,
            "query($id: ID!) { node(id: $id) { ... on Rating { user {
                ratings(first: 1) { pageInfo { endCursor } } } } } }",
            &json!({ "id": ids[0] }),
        )
        .await;
    let after = &shown["node"]["user"]["ratings"]["pageInfo"]["endCursor"];
    let further = "query($id: ID!, $after: String) { node(id: $id) { ... on Rating { user {
        ratings(first: 2, after: $after) { pageInfo { hasPreviousPage } nodes { id } }
        publications(last: 1) { totalCount nodes { id title author { username } } } } } } }";
    beside.data(&nobody, further, &json!({ "id": ids[0], "after": after })).await;
}

async fn totals_and_viewers_ratings_are_answered_alike(backend: Backend) {
    let beside = Beside::seeded(backend).await;
    let [nobody, ann, editor] = beside.askers().await;
    for key in [500, 498, 490] {
        for type_name in ["Movie", "Publication"] {
            let subject = global_id(type_name, if type_name == "Movie" { key } else { key - 300 });
            ann.user.done("rate", json!({ "subjectId": subject, "rating": 5 }), "rating { id }").await;
        }
    }
    for asker in [&nobody, &ann, &editor] {
        let shown = beside.data(asker, MOVIES, &json!({ "first": 50 })).await;
        let rated = |list: &str| {
            let nodes = shown[list]["nodes"].as_array().unwrap();
            nodes.iter().filter(|node| !node["viewerRating"].is_null()).count()
        };
        let is_ann = asker.user.id == ann.user.id;
        assert_eq!((rated("movies") > 0, rated("publications") > 0), (is_ann, is_ann));
    }
}

async fn viewers_see_their_own_ratings_at_the_same_time(backend: Backend) {
    let beside = Beside::seeded(backend).await;
    let [nobody, ann, editor] = beside.askers().await;
    let movie = global_id("Movie", 7);
    for (asker, given) in [(&ann, 1), (&editor, 5)] {
        asker.user.done("rate", json!({ "subjectId": movie, "rating": given }), "rating { id }").await;
    }
    let query = "query($id: ID!) { movie(id: $id) { viewerRating userRating { count } } }";
    let variables = json!({ "id": movie });
    for _ in 0..20 {
        let askers = [&nobody, &ann, &editor];
        let answers = askers.iter().cycle().take(12).map(|asker| beside.data(asker, query, &variables));
        let answers = async_graphql::futures_util::future::join_all(answers).await;
        for (answer, given) in answers.iter().zip([json!(null), json!(1), json!(5)].iter().cycle()) {
            assert_eq!(answer["movie"]["viewerRating"], *given);
        }
    }
}

/// Look-ups of one kind stand at one place.
const COSTS: &[&str] = &[
    "rating user { username } subject { ... on Movie { title userRating { average } viewerRating }
         ... on Publication { title userRating { count } viewerRating } }",
    "user { ratings(first: 2) { totalCount nodes { subject { ... on Movie { userRating { average } viewerRating }
         ... on Publication { userRating { average } viewerRating } } } } }",
    "subject { ... on Movie { userRating { average } a: userRating { count } viewerRating b: viewerRating
         comments(first: 2) { totalCount nodes { text } } } }",
];

async fn ratings_cost_no_more_statements(backend: Backend) {
    let beside = Beside::seeded(backend).await;
    let [nobody, ann, _] = beside.askers().await;
    // The first two are of a movie and of a publication.
    let mut ids = beside.ids("Rating", "SELECT max(id) FROM users_rating GROUP BY movie_id IS NULL").await;
    ids.extend(beside.ids("Rating", "SELECT id FROM users_rating ORDER BY id LIMIT 50").await);
    for (asker, selection) in COSTS.iter().flat_map(|selection| [(&nobody, selection), (&ann, selection)]) {
        let query = format!("query($ids: [ID!]!) {{ nodes(ids: $ids) {{ ... on Rating {{ {selection} }} }} }}");
        let mut costs = Vec::new();
        for ids in [&ids[..2], &ids[..50]] {
            let [old, new] = beside.tables(asker, &query, &json!({ "ids": ids })).await;
            assert!(new.len() <= old.len(), "{query}\nold: {old:?}\nnew: {new:?}");
            costs.push(new);
        }
        assert_eq!(costs[0], costs[1], "{query}");
    }
}
