//! Reads back what was acknowledged: nothing of it may be missing, and nothing else may be there.
//!
//! Presumes that nobody else changes what the run has made.

use std::collections::{HashMap, HashSet};

use serde_json::{Value, json};

use super::act::LoadActor;
use super::api::Failure;
use super::documents::{COMMENTS_OF, PUBLICATIONS_OF, READ_BACK, USER};
use super::ledger::{Fate, Notes, digest, text_of};
use super::stock::nodes;

/// Objects that are read back at once.
const BATCH: usize = 50;

/// How many things were read back, and what is wrong.
#[derive(Debug, Default)]
pub struct Verdict {
    /// How many things were compared.
    pub compared: u64,
    /// What is wrong, a sentence each.
    pub faults: Vec<String>,
}

impl Verdict {
    fn expect(&mut self, holds: bool, fault: impl FnOnce() -> String) {
        self.compared += 1;
        if !holds {
            self.faults.push(fault());
        }
    }
}

/// Reads everything back, and adds to a verdict.
///
/// # Errors
/// The server stays silent.
pub async fn verify(actor: &LoadActor, notes: &Notes, verdict: &mut Verdict) -> Result<(), Failure> {
    check_comments(actor, notes, verdict).await?;
    check_publications(actor, notes, verdict).await?;
    check_users(actor, notes, verdict).await?;
    check_ratings(actor, notes, verdict).await?;
    check_orders(actor, notes, verdict).await?;
    check_presences(actor, notes, verdict).await?;
    for member in 0..actor.accounts.members.len() {
        check_said(actor, notes, member, verdict).await?;
        check_published(actor, notes, member, verdict).await?;
    }
    Ok(())
}

/// Objects by id, as a member sees them or, without one, as anybody does; those that are gone are
/// left out.
async fn read<'a>(
    actor: &LoadActor,
    member: Option<usize>,
    ids: impl IntoIterator<Item = &'a String>,
) -> Result<HashMap<String, Value>, Failure> {
    let ids: Vec<&String> = ids.into_iter().collect();
    let mut found = HashMap::with_capacity(ids.len());
    for batch in ids.chunks(BATCH) {
        let variables = json!({ "ids": batch });
        let data = match member {
            Some(member) => actor.accounts.members[member].query(&actor.api, READ_BACK, &variables).await?,
            None => actor.api.query(None, READ_BACK, &variables).await?,
        };
        let there = data["nodes"].as_array().into_iter().flatten().filter(|node| !node.is_null());
        found.extend(there.map(|node| (text_of(node, "id"), node.clone())));
    }
    Ok(found)
}

async fn check_comments(actor: &LoadActor, notes: &Notes, verdict: &mut Verdict) -> Result<(), Failure> {
    let found = read(actor, None, notes.comments.keys()).await?;
    for (id, said) in &notes.comments {
        match found.get(id) {
            Some(node) => verdict.expect(digest(node["text"].as_str().unwrap_or_default()) == said.digest, || {
                format!("comment {id} has another text than was acknowledged: {}", node["text"])
            }),
            // A comment goes with its subject.
            None => verdict
                .expect(notes.may_be_gone(&said.subject), || format!("comment {id} was acknowledged and is missing")),
        }
    }
    Ok(())
}

async fn check_publications(actor: &LoadActor, notes: &Notes, verdict: &mut Verdict) -> Result<(), Failure> {
    let found = read(actor, None, notes.publications.keys()).await?;
    for (id, publication) in &notes.publications {
        let node = found.get(id);
        verdict.expect(fits(publication.fate, node.is_some()), || misfit("publication", id, publication.fate));
        if let Some(node) = node {
            let digest = digest(node["text"].as_str().unwrap_or_default());
            verdict.expect(publication.text.may_be(&digest), || {
                format!("publication {id} has another text than was acknowledged last")
            });
        }
    }
    Ok(())
}

async fn check_users(actor: &LoadActor, notes: &Notes, verdict: &mut Verdict) -> Result<(), Failure> {
    let found = read(actor, None, notes.users.values().map(|user| &user.id)).await?;
    for (name, user) in &notes.users {
        verdict.expect(fits(user.fate, found.contains_key(&user.id)), || misfit("user", name, user.fate));
    }
    for name in &notes.refused_users {
        let data = actor.api.query(None, USER, &json!({ "username": name })).await?;
        verdict.expect(data["user"].is_null(), || format!("user {name} was refused and is there"));
    }
    Ok(())
}

async fn check_ratings(actor: &LoadActor, notes: &Notes, verdict: &mut Verdict) -> Result<(), Failure> {
    let mut subjects: HashMap<usize, Vec<&String>> = HashMap::new();
    for (member, subject) in notes.ratings.keys() {
        subjects.entry(*member).or_default().push(subject);
    }
    for (member, subjects) in subjects {
        let found = read(actor, Some(member), subjects.iter().copied()).await?;
        for subject in subjects {
            let Some(node) = found.get(subject) else {
                // A rating goes with its subject.
                verdict.expect(notes.may_be_gone(subject), || format!("{subject}, which was rated, is missing"));
                continue;
            };
            let Some(ratings) = notes.ratings.get(&(member, subject.clone())) else { continue };
            let rating = node["viewerRating"].as_i64();
            let fits = match rating {
                Some(rating) => ratings.may_be(&rating) || ratings.is_doubtful(),
                None => ratings.is_doubtful(),
            };
            verdict.expect(fits, || {
                let who = &actor.accounts.members[member].username;
                format!("the rating of {subject} by {who} is {rating:?}, which is not what was acknowledged last")
            });
        }
    }
    Ok(())
}

async fn check_orders(actor: &LoadActor, notes: &Notes, verdict: &mut Verdict) -> Result<(), Failure> {
    let mut orders: HashMap<usize, Vec<&String>> = HashMap::new();
    for (member, id) in &notes.orders {
        orders.entry(*member).or_default().push(id);
    }
    for (member, ids) in orders {
        let found = read(actor, Some(member), ids.iter().copied()).await?;
        let once: HashSet<_> = ids.iter().collect();
        verdict.expect(once.len() == ids.len(), || "one order was acknowledged for two movies".to_owned());
        for id in ids {
            verdict.expect(found.contains_key(id), || format!("order {id} was acknowledged and is missing"));
        }
    }
    Ok(())
}

async fn check_presences(actor: &LoadActor, notes: &Notes, verdict: &mut Verdict) -> Result<(), Failure> {
    let found = read(actor, None, notes.presences.keys()).await?;
    for (id, fate) in &notes.presences {
        verdict.expect(fits(*fate, found.contains_key(id)), || misfit("presence", id, *fate));
    }
    for (id, node) in &found {
        let place = (text_of(&node["movie"], "id"), text_of(&node["cinema"], "id"));
        let Some(known) = notes.prices.get(&place) else { continue };
        let price = text_of(node, "price");
        // The run sets whole roubles.
        let roubles = price.split('.').next().and_then(|roubles| roubles.parse().ok());
        let fits = known.is_doubtful() || roubles.is_some_and(|roubles| known.may_be(&roubles));
        verdict
            .expect(fits, || format!("presence {id} has the price {price}, which is not what was acknowledged last"));
    }
    Ok(())
}

/// What a member has said in this run: all of it acknowledged, each of it once.
async fn check_said(actor: &LoadActor, notes: &Notes, member: usize, verdict: &mut Verdict) -> Result<(), Failure> {
    let username = &actor.accounts.members[member].username;
    let mut seen = HashSet::new();
    let mut after = Value::Null;
    loop {
        let data = actor.api.query(None, COMMENTS_OF, &json!({ "username": username, "after": after })).await?;
        verdict.expect(!data["user"].is_null(), || format!("user {username} is missing"));
        let page = &data["user"]["comments"];
        let marked: Vec<_> = nodes(page)
            .filter_map(|node| Some((actor.ledger.read_mark(node["text"].as_str()?)?, text_of(node, "id"))))
            .collect();
        for (number, id) in &marked {
            verdict.expect(seen.insert(*number), || format!("comment {id} was sent again and is there twice"));
            let is_known = notes.comments.contains_key(id) || notes.unknown.contains(number);
            verdict.expect(is_known, || format!("comment {id} was refused and is there"));
        }
        // Newest first: before the run began there are none.
        if marked.is_empty() || page["pageInfo"]["hasNextPage"] != json!(true) {
            return Ok(());
        }
        after = page["pageInfo"]["endCursor"].clone();
    }
}

/// The same of what a member has published.
async fn check_published(
    actor: &LoadActor,
    notes: &Notes,
    member: usize,
    verdict: &mut Verdict,
) -> Result<(), Failure> {
    let username = &actor.accounts.members[member].username;
    let mut before = Value::Null;
    loop {
        let data = actor.api.query(None, PUBLICATIONS_OF, &json!({ "username": username, "before": before })).await?;
        verdict.expect(!data["user"].is_null(), || format!("user {username} is missing"));
        let page = &data["user"]["publications"];
        let marked: Vec<_> = nodes(page)
            .filter_map(|node| Some((actor.ledger.read_mark(node["text"].as_str()?)?, text_of(node, "id"))))
            .collect();
        for (number, id) in &marked {
            let is_known = notes.publications.contains_key(id) || notes.unknown.contains(number);
            verdict.expect(is_known, || format!("publication {id} was refused and is there"));
        }
        if marked.is_empty() || page["pageInfo"]["hasPreviousPage"] != json!(true) {
            return Ok(());
        }
        before = page["pageInfo"]["startCursor"].clone();
    }
}

/// Whether something may be there, or not be there.
fn fits(fate: Fate, is_there: bool) -> bool {
    match fate {
        Fate::There => is_there,
        Fate::Unknown => true,
        Fate::Gone => !is_there,
    }
}

fn misfit(what: &str, id: &str, fate: Fate) -> String {
    match fate {
        Fate::Gone => format!("{what} {id} is there, although its deletion was acknowledged"),
        _ => format!("{what} {id} was acknowledged and is missing"),
    }
}
