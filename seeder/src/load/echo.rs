//! Sessions that read their own changes and those of others as soon as they are acknowledged, on any server. Only the
//! history uses these reads.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::act::LoadActor;
use super::api::{RequestContext, RequestFailure};
use super::documents::{LOG_OUT, READ_BACK, VIEWER};
use super::ledger::text_of;
use crate::history::line::{CallOutcome, HistoryCall, HistoryLine, Thing, ThingValue};

/// Concurrent reads. Further changes are not read back meanwhile.
const READS_MAX: usize = 32;
/// Number of recent objects to read again.
const RECENT_MAX: usize = 256;
/// How many of them are read with each new one.
const RECENT_READ: usize = 3;
/// Interval at which a session begins and ends.
const SESSION_EVERY: Duration = Duration::from_secs(2);
/// How long other servers may still accept a session that has ended.
const SESSION_KNOWN: Duration = Duration::from_millis(1_500);

/// An object to be read by a member.
#[derive(Clone, Debug)]
pub struct Echo {
    /// The position of the member who changed it.
    pub member: usize,
    /// Its id.
    pub id: String,
    /// Its kind.
    pub object: OwnObject,
}

/// The kind of an object.
#[derive(Clone, Debug)]
pub enum OwnObject {
    /// A comment, by its number.
    Comment(u32),
    /// A publication, by its number.
    Publication(u32),
    /// The member's rating of it.
    Rating,
    /// The member's order of a movie at a cinema.
    Order(String, String),
}

impl Echo {
    /// Whether other members see the same.
    fn is_shared(&self) -> bool {
        matches!(self.object, OwnObject::Comment(_) | OwnObject::Publication(_))
    }

    /// What a response says about it.
    fn sight(&self, actor: &LoadActor, member: usize, node: &Value) -> ThingValue {
        let mark = node["text"].as_str().and_then(|text| actor.ledger.read_mark(text));
        // After history was lost, an id may belong to another object.
        let text_of_own = |number| mark.filter(|(own, _)| *own == number).map(|(_, text)| text);
        let username = &actor.accounts.members[member].username;
        match &self.object {
            OwnObject::Comment(number) => Thing::Comment(*number).with(text_of_own(*number)),
            OwnObject::Publication(number) => Thing::Publication(*number).with(text_of_own(*number)),
            OwnObject::Rating => {
                let rating = node["viewerRating"].as_u64().and_then(|rating| u32::try_from(rating).ok());
                Thing::Rating(username, &self.id).with(rating)
            }
            OwnObject::Order(movie, cinema) => {
                let is_it = text_of(&node["movie"], "id") == *movie && text_of(&node["cinema"], "id") == *cinema;
                Thing::Order(username, movie, cinema).with(is_it.then_some(1))
            }
        }
    }
}

/// Reads objects until the queue closes.
pub async fn follow(actor: Arc<LoadActor>, mut echoes: mpsc::UnboundedReceiver<Echo>) {
    let free = Arc::new(Semaphore::new(READS_MAX));
    let mut recent: VecDeque<Echo> = VecDeque::new();
    let mut reads = JoinSet::new();
    let mut count = 0;
    while let Some(echo) = echoes.recv().await {
        while reads.try_join_next().is_some() {}
        let Ok(permit) = Arc::clone(&free).try_acquire_owned() else { continue };
        count += 1;
        // Another member's session reads every second object that others see, too.
        let member = match echo.is_shared() && count % 2 == 0 {
            true => count / 2 % actor.accounts.members.len(),
            false => echo.member,
        };
        let known = recent.iter().rev().filter(|known| known.is_shared() || known.member == member);
        let mut objects: Vec<_> = known.step_by(1 + count % 7).take(RECENT_READ).cloned().collect();
        objects.push(echo.clone());
        recent.push_back(echo);
        if recent.len() > RECENT_MAX {
            recent.pop_front();
        }
        let actor = Arc::clone(&actor);
        reads.spawn(async move {
            read(&actor, member, &objects, count % 4 < 2).await;
            drop(permit);
        });
    }
    reads.join_all().await;
}

/// A member reads objects. `sends_position`: it sends the position that it knows; otherwise the server uses its
/// session.
async fn read(actor: &LoadActor, member: usize, objects: &[Echo], sends_position: bool) {
    let account = &actor.accounts.members[member];
    let ids: Vec<_> = objects.iter().map(|object| &object.id).collect();
    let (outcome, sent) = account.request(&actor.api, READ_BACK, &json!({ "ids": ids }), sends_position).await;
    actor.recorder.record(|| {
        let session = Some(account.username.clone());
        match outcome {
            Ok(data) => {
                let nodes = data["nodes"].as_array().map_or(&[][..], Vec::as_slice);
                let saw = objects.iter().zip(nodes).map(|(object, node)| object.sight(actor, member, node)).collect();
                let viewer = data["viewer"]["username"].as_str().unwrap_or("nobody").to_owned();
                let call = actor.call(&sent, session, "nodes", CallOutcome::Done);
                HistoryLine::Call(HistoryCall { viewer: Some(viewer), saw, ..call })
            }
            Err(failure) => {
                let call = actor.call(&sent, session, "nodes", CallOutcome::Unknown);
                HistoryLine::Call(HistoryCall { code: Some(failure.code().to_owned()), ..call })
            }
        }
    });
}

/// Begins and ends sessions until it is stopped. An ended session must not be accepted any longer.
pub async fn follow_sessions(actor: Arc<LoadActor>, mut stop: watch::Receiver<bool>) {
    for turn in 0.. {
        tokio::select! {
            () = sleep(SESSION_EVERY) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        live_once(&actor, turn % actor.accounts.members.len()).await;
    }
}

async fn live_once(actor: &LoadActor, member: usize) {
    let account = &actor.accounts.members[member];
    let number = actor.ledger.number();
    let thing = Thing::Session(number);
    let started = actor.recorder.micros(std::time::Instant::now());
    let Ok(token) = account.begin_session(&actor.api).await else { return };
    let context = RequestContext { token: Some(&token), after: None };
    let session = || Some(account.username.clone());
    // The session exists before its token is known.
    let (outcome, sent) = actor.api.send(context, None, VIEWER, &json!({})).await;
    actor.recorder.record(|| {
        let call = actor.call(&sent, session(), "logIn", CallOutcome::Done);
        HistoryLine::Call(HistoryCall { start: started, wrote: Some(thing.with(Some(number))), ..call })
    });
    record_session(actor, &thing, number, session(), &outcome, &sent);
    let key = actor.key(actor.ledger.number());
    let (outcome, sent) = actor.api.send(context, Some(&key), LOG_OUT, &json!({})).await;
    let ended = match &outcome {
        Ok(data) if data["logOut"]["endedSessions"].as_u64() == Some(1) => CallOutcome::Done,
        _ => CallOutcome::Unknown,
    };
    actor.recorder.record(|| {
        let call = actor.call(&sent, session(), "logOut", ended);
        HistoryLine::Call(HistoryCall { wrote: Some(thing.with(None)), ..call })
    });
    sleep(SESSION_KNOWN).await;
    let (outcome, sent) = actor.api.send(context, None, VIEWER, &json!({})).await;
    record_session(actor, &thing, number, session(), &outcome, &sent);
}

fn record_session(
    actor: &LoadActor,
    thing: &Thing<'_>,
    number: u32,
    session: Option<String>,
    outcome: &Result<Value, RequestFailure>,
    sent: &super::api::Attempts,
) {
    let (value, viewer) = match outcome {
        Ok(data) => (Some(number), Some(data["viewer"]["username"].as_str().unwrap_or("nobody").to_owned())),
        Err(failure) if failure.code() == "UNAUTHENTICATED" => (None, None),
        Err(_) => return,
    };
    actor.recorder.record(|| {
        let call = actor.call(sent, session, "viewer", CallOutcome::Done);
        HistoryLine::Call(HistoryCall { viewer, saw: vec![thing.with(value)], ..call })
    });
}
