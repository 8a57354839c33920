//! The same seed gives the same responses on both databases.

use serde_json::{Value, json};

use crate::app::TestApp;
use crate::support::database::Backend;

const QUERIES: &[&str] = &[
    "{ movies(first: 100, orderBy: YEAR_DESC) { totalCount pageInfo { hasNextPage } nodes {
        id isbn title originalTitle country year budget boxOffice rating durationMinutes ageRating tags plot
        availability(maxPrice: \"250\") { totalCount nodes {
            id price studentPrice discountPercent rating viewCount updatedAt cinema { id title url } } } } } }",
    "{ movies(last: 100, orderBy: BOX_OFFICE) { nodes { id boxOffice
        staff(first: 4) { totalCount nodes { id character isLead position { id title }
            person { id firstName lastName midName country birthday bio credits(last: 2) { nodes { id } } } } }
        awards { nodes { id award { title description } nomination { title description } person { id } } } } } }",
    "{ movies(first: 30, orderBy: OLDEST) { edges { cursor node { id } } } }",
    "{ movies(first: 30, orderBy: RATING) { edges { cursor node { id } } } }",
];

#[tokio::test]
async fn the_same_seed_gives_the_same_responses_on_both_databases() {
    let sqlite = TestApp::seeded(Backend::Sqlite).await;
    let postgres = TestApp::seeded(Backend::Postgres).await;
    for query in QUERIES {
        let answer: Value = sqlite.data(query, json!({})).await;
        assert_eq!(answer, postgres.data(query, json!({})).await, "{query}");
        assert!(answer.to_string().len() > 2_000, "the catalogue must not be empty");
    }
}
