//! Reads back at the end what the run has created, for `--verify`, as a member with the latest position that any
//! member knows.
//!
//! Assumes that nobody else changes the run's objects.

use serde_json::{Value, json};

use super::act::LoadActor;
use super::api::RequestFailure;
use super::documents::{COMMENTS_OF, ORDERS, PRICES, PUBLICATIONS_OF, READ_BACK, users};
use super::ledger::text_of;
use super::stock::nodes;
use crate::history::line::{HistoryLine, ReadingStart, Thing};

/// The number of objects per request.
const BATCH: usize = 50;
/// Users are root fields; a server allows 20 per request (`--limit-root-fields`).
const USERS_BATCH: usize = 20;
/// The number of movies with prices per request.
const PRICES_BATCH: usize = 10;

/// Reads everything back once, and records it.
///
/// # Errors
/// The server does not respond.
pub async fn read_back(actor: &LoadActor) -> Result<(), RequestFailure> {
    let at = actor.recorder.micros(std::time::Instant::now());
    actor.recorder.record(|| HistoryLine::Reading(ReadingStart { at }));
    let positions = actor.accounts.members.iter().chain([&actor.accounts.editor, &actor.accounts.admin]);
    let positions: Vec<_> = positions.filter_map(super::accounts::Account::position).collect();
    for member in 0..actor.accounts.members.len() {
        for position in &positions {
            actor.accounts.members[member].note_position(Some(position.clone()));
        }
        read_comments(actor, member).await?;
        read_publications(actor, member).await?;
        read_orders(actor, member).await?;
        read_ratings(actor, member).await?;
    }
    read_users(actor).await?;
    read_prices(actor).await
}

fn found(actor: &LoadActor, thing: &Thing<'_>, value: Option<u32>) {
    actor.recorder.record(|| HistoryLine::Found(thing.with(value)));
}

/// The marks of this run in a page.
fn marks(actor: &LoadActor, page: &Value) -> Vec<(u32, u32)> {
    nodes(page).filter_map(|node| actor.ledger.read_mark(node["text"].as_str()?)).collect()
}

async fn read_comments(actor: &LoadActor, member: usize) -> Result<(), RequestFailure> {
    let account = &actor.accounts.members[member];
    let mut after = Value::Null;
    loop {
        let variables = json!({ "username": account.username, "after": after });
        let data = account.query(&actor.api, COMMENTS_OF, &variables).await?;
        let page = &data["user"]["comments"];
        let marks = marks(actor, page);
        for (number, _) in &marks {
            found(actor, &Thing::Comment(*number), Some(*number));
        }
        // Newest first: older pages have no marks of this run.
        if marks.is_empty() || page["pageInfo"]["hasNextPage"] != json!(true) {
            return Ok(());
        }
        after = page["pageInfo"]["endCursor"].clone();
    }
}

async fn read_publications(actor: &LoadActor, member: usize) -> Result<(), RequestFailure> {
    let account = &actor.accounts.members[member];
    let mut before = Value::Null;
    loop {
        let variables = json!({ "username": account.username, "before": before });
        let data = account.query(&actor.api, PUBLICATIONS_OF, &variables).await?;
        let page = &data["user"]["publications"];
        let marks = marks(actor, page);
        for (number, text) in &marks {
            found(actor, &Thing::Publication(*number), Some(*text));
        }
        if marks.is_empty() || page["pageInfo"]["hasPreviousPage"] != json!(true) {
            return Ok(());
        }
        before = page["pageInfo"]["startCursor"].clone();
    }
}

async fn read_orders(actor: &LoadActor, member: usize) -> Result<(), RequestFailure> {
    let account = &actor.accounts.members[member];
    let mut after = Value::Null;
    loop {
        let data = account.query(&actor.api, ORDERS, &json!({ "after": after })).await?;
        let page = &data["viewer"]["orders"];
        for order in nodes(page) {
            let (movie, cinema) = (text_of(&order["movie"], "id"), text_of(&order["cinema"], "id"));
            found(actor, &Thing::Order(&account.username, &movie, &cinema), Some(1));
        }
        if page["pageInfo"]["hasNextPage"] != json!(true) {
            return Ok(());
        }
        after = page["pageInfo"]["endCursor"].clone();
    }
}

async fn read_ratings(actor: &LoadActor, member: usize) -> Result<(), RequestFailure> {
    let account = &actor.accounts.members[member];
    let of_member = |(index, subject): &(usize, String)| (*index == member).then(|| subject.clone());
    let subjects: Vec<String> = actor.ledger.notes().ratings.iter().filter_map(of_member).collect();
    for batch in subjects.chunks(BATCH) {
        let data = account.query(&actor.api, READ_BACK, &json!({ "ids": batch })).await?;
        for (subject, node) in batch.iter().zip(data["nodes"].as_array().into_iter().flatten()) {
            let rating = node["viewerRating"].as_u64().and_then(|rating| u32::try_from(rating).ok());
            found(actor, &Thing::Rating(&account.username, subject), rating);
        }
    }
    Ok(())
}

async fn read_users(actor: &LoadActor) -> Result<(), RequestFailure> {
    let numbers = actor.ledger.notes().signed_up.clone();
    for batch in numbers.chunks(USERS_BATCH) {
        let names: Vec<_> = batch.iter().map(|number| actor.ledger.username(*number)).collect();
        let data = actor.accounts.members[0].query(&actor.api, &users(&names), &json!({})).await?;
        for (index, number) in batch.iter().enumerate() {
            let is_there = !data[format!("u{index}")].is_null();
            found(actor, &Thing::User(*number), is_there.then_some(*number));
        }
    }
    Ok(())
}

async fn read_prices(actor: &LoadActor) -> Result<(), RequestFailure> {
    let prices: Vec<_> = actor.ledger.notes().prices.clone().into_iter().collect();
    for batch in prices.chunks(PRICES_BATCH) {
        let ids: Vec<_> = batch.iter().map(|(movie, _)| movie).collect();
        let data = actor.accounts.members[0].query(&actor.api, PRICES, &json!({ "ids": ids })).await?;
        for ((movie, cinemas), node) in batch.iter().zip(data["nodes"].as_array().into_iter().flatten()) {
            for cinema in cinemas {
                let presence =
                    nodes(&node["availability"]).find(|presence| text_of(&presence["cinema"], "id") == *cinema);
                // The run sets whole roubles.
                let price = presence.and_then(|presence| text_of(presence, "price").split('.').next()?.parse().ok());
                found(actor, &Thing::Presence(movie, cinema), price);
            }
        }
    }
    Ok(())
}
