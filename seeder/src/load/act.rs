//! Does what the script says, through the API, and records what was acknowledged.

use std::sync::Mutex;

use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};

use super::accounts::{Account, LoadAccounts};
use super::api::{Api, Attempts, RequestContext, RequestFailure};
use super::documents::{
    ADD_COMMENT, Mutation, OLDEST_PRESENCES, ORDER_MOVIE, RATE, REMOVE_AVAILABILITY, SET_AVAILABILITY,
};
use super::echo::{Echo, OwnObject};
use super::ledger::{Ledger, text_of};
use super::lock;
use super::recorder::Recorder;
use super::screen::Screen;
use super::stock::{Parent, Stock, SubjectKind, nodes};
use crate::history::line::{CallOutcome, HistoryCall, HistoryLine, Thing, ThingValue};
use crate::script::{Action, Content, Draw, LoadStep, Offer, TITLE};

/// The outcome of an action.
pub type ActionOutcome = Result<ActionEffect, RequestFailure>;

/// What an action did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActionEffect {
    /// It acted.
    Acted,
    /// It did nothing: no object was available.
    Skipped,
}

/// What a mutation changes.
pub(super) struct WriteIntent {
    /// The number of the call.
    pub(super) number: u32,
    /// The thing, and its new value.
    pub(super) wrote: ThingValue,
    /// The id of the new object's parent.
    pub(super) under: Option<String>,
    /// The field of the payload with the new object; empty if it is not needed.
    pub(super) made: &'static str,
}

/// Acts: has the accounts, what they know, and what they did.
pub struct LoadActor {
    /// The server.
    pub api: Api,
    /// The accounts.
    pub accounts: LoadAccounts,
    /// The server's content.
    pub stock: Stock,
    /// The objects of the run.
    pub ledger: Ledger,
    /// The recorder.
    pub recorder: Recorder,
    /// The queue of changes that members read back immediately, if they do.
    pub echoes: Mutex<Option<mpsc::UnboundedSender<Echo>>>,
    /// Shows actions.
    pub screen: Screen,
    /// Ends the load.
    pub stopper: watch::Sender<bool>,
}

impl LoadActor {
    /// Does a step.
    ///
    /// # Errors
    /// The server refuses it, or its outcome is unknown.
    pub async fn perform(&self, step: &LoadStep) -> ActionOutcome {
        match (step.action, &step.content) {
            (Action::CreateUser, Content::User { full_name, birth_year, bio }) => {
                self.create_user(full_name, *birth_year, bio).await
            }
            (Action::DeleteUser, _) => self.delete_user(step.object).await,
            (Action::CreatePublication, content) => self.create_publication(step, content).await,
            (Action::UpdatePublication, Content::Text(text)) => self.update_publication(step, text).await,
            (Action::DeletePublication, _) => self.delete_publication(step.object).await,
            (Action::CommentMovie, Content::Comment { text, reply }) => {
                self.comment(SubjectKind::Movie, step, text, reply.as_deref()).await
            }
            (Action::CommentPublication, Content::Comment { text, reply }) => {
                self.comment(SubjectKind::Publication, step, text, reply.as_deref()).await
            }
            (Action::ChangePresences, Content::Presences { remove, offers }) => {
                self.remove_presences(*remove).await?;
                self.add_presences(offers).await
            }
            (Action::OrderMovie, _) => self.order(step).await,
            (Action::RateMovie, Content::Rating(rating)) => self.rate(SubjectKind::Movie, step, *rating).await,
            (Action::RatePublication, Content::Rating(rating)) => {
                self.rate(SubjectKind::Publication, step, *rating).await
            }
            // The script gives every action the content that it needs.
            _ => Ok(ActionEffect::Skipped),
        }
    }

    /// Stops reading changes back.
    pub fn end_echoes(&self) {
        lock(&self.echoes).take();
    }

    /// Prints an action. If nobody reads the output, the load ends, as at a signal.
    pub(super) fn print(&self, line: &str) {
        if self.screen.print_action(line).is_err() {
            self.stopper.send_replace(true);
        }
    }

    pub(super) fn key(&self, number: u32) -> String {
        format!("load-{}-{number}", self.ledger.run())
    }

    /// Changes something, with or without an account, and records it.
    pub(super) async fn change(
        &self,
        account: Option<&Account>,
        mutation: &Mutation,
        input: Value,
        write: WriteIntent,
    ) -> Result<Value, RequestFailure> {
        let key = self.key(write.number);
        let (outcome, sent) = match account {
            Some(account) => account.mutate(&self.api, mutation, &input, &key).await,
            None => self.api.mutate(RequestContext::default(), mutation, &input, &key).await,
        };
        let ended = match &outcome {
            Ok(_) => CallOutcome::Done,
            Err(RequestFailure::Unknown { .. }) => CallOutcome::Unknown,
            Err(RequestFailure::Refused { .. }) => CallOutcome::Refused,
        };
        self.recorder.record(|| {
            let code = outcome.as_ref().err().map(|failure| failure.code().to_owned());
            let id = outcome.as_ref().ok().and_then(|payload| id_of(&payload[write.made]));
            let session = account.map(|account| account.username.clone());
            let WriteIntent { wrote, under, .. } = write;
            HistoryLine::Call(HistoryCall {
                code,
                wrote: Some(wrote),
                id,
                under,
                ..self.call(&sent, session, mutation.field, ended)
            })
        });
        outcome
    }

    /// The record of a call.
    pub(super) fn call(
        &self,
        sent: &Attempts,
        session: Option<String>,
        name: &str,
        outcome: CallOutcome,
    ) -> HistoryCall {
        HistoryCall {
            start: self.recorder.micros(sent.start),
            end: self.recorder.micros(sent.end),
            session,
            instance: u32::try_from(sent.instance).unwrap_or(u32::MAX),
            name: name.to_owned(),
            outcome,
            code: None,
            sent: sent.times,
            stale: sent.stale,
            wrote: None,
            id: None,
            under: None,
            viewer: None,
            saw: Vec::new(),
        }
    }

    /// Queues a change for its member to read back immediately.
    pub(super) fn echo(&self, member: usize, id: &str, object: OwnObject) {
        if let Some(echoes) = &*lock(&self.echoes) {
            // The reader ends last.
            let _ = echoes.send(Echo { member, id: id.to_owned(), object });
        }
    }

    pub(super) fn member(&self, draw: Draw) -> (usize, &Account) {
        let member = draw.below(self.accounts.members.len());
        (member, &self.accounts.members[member])
    }

    async fn comment(&self, kind: SubjectKind, step: &LoadStep, text: &str, reply: Option<&str>) -> ActionOutcome {
        let parent = reply.and_then(|text| Some((text, self.stock.comment(kind, step.object)?)));
        let (text, id, title, parent) = match parent {
            Some((text, parent)) => (text, parent.subject, parent.title, Some(parent.id)),
            None => {
                let Some(subject) = self.stock.subject(kind, step.object) else { return Ok(ActionEffect::Skipped) };
                (text, subject.id, subject.title, None)
            }
        };
        let number = self.ledger.number();
        let (member, account) = self.member(step.member);
        let text = self.ledger.marked(&text.replace(TITLE, &title), number);
        let input = json!({ "subjectId": id, "parentId": parent, "text": text });
        let wrote = Thing::Comment(number).with(Some(number));
        let write = WriteIntent { number, wrote, under: Some(id.clone()), made: "comment" };
        match self.change(Some(account), &ADD_COMMENT, input, write).await {
            Ok(payload) => {
                if let Some(comment) = id_of(&payload["comment"]) {
                    self.echo(member, &comment, OwnObject::Comment(number));
                    self.stock.add_comment(kind, Parent { id: comment, subject: id, title });
                }
                let name = if kind == SubjectKind::Movie { "movie" } else { "publication" };
                let child = if parent.is_some() { "True" } else { "False" };
                self.print(&format!("Action: create comment {name} (child={child})"));
                Ok(ActionEffect::Acted)
            }
            Err(failure) => {
                self.forget_if_gone(kind, &failure, parent.as_ref().unwrap_or(&id));
                Err(failure)
            }
        }
    }

    /// Removes the presences that were changed longest ago.
    async fn remove_presences(&self, count: u32) -> ActionOutcome {
        let editor = &self.accounts.editor;
        let data = editor.query(&self.api, OLDEST_PRESENCES, &json!({ "first": count })).await?;
        let mut removed = 0;
        for presence in nodes(&data["availabilities"]) {
            let id = text_of(presence, "id");
            let (movie, cinema) = (text_of(&presence["movie"], "id"), text_of(&presence["cinema"], "id"));
            let number = self.ledger.number();
            let wrote = Thing::Presence(&movie, &cinema).with(None);
            let write = WriteIntent { number, wrote, under: None, made: "" };
            let outcome = self.change(Some(editor), &REMOVE_AVAILABILITY, json!({ "id": id }), write).await;
            match &outcome {
                // Another client was faster.
                Err(failure) if failure.code() == "NOT_FOUND" => continue,
                Err(RequestFailure::Refused { .. }) => {}
                Ok(_) | Err(RequestFailure::Unknown { .. }) => self.note_price(movie, cinema),
            }
            outcome?;
            removed += 1;
        }
        self.print(&format!("Action: delete some movie presence (count={removed})"));
        Ok(ActionEffect::Acted)
    }

    async fn add_presences(&self, offers: &[Offer]) -> ActionOutcome {
        let editor = &self.accounts.editor;
        let mut added = 0;
        for offer in offers {
            let (Some(movie), Some(cinema)) = (self.stock.movie(offer.movie), self.stock.cinema(offer.cinema)) else {
                continue;
            };
            let input = json!({
                "movieId": movie,
                "cinemaId": cinema,
                "price": format!("{}.00", offer.price),
                "rating": offer.rating,
                "discountPercent": offer.discount,
            });
            let number = self.ledger.number();
            let wrote = Thing::Presence(&movie, &cinema).with(Some(offer.price));
            let write = WriteIntent { number, wrote, under: None, made: "" };
            let outcome = self.change(Some(editor), &SET_AVAILABILITY, input, write).await;
            if !matches!(outcome, Err(RequestFailure::Refused { .. })) {
                self.note_price(movie, cinema);
            }
            outcome?;
            added += 1;
        }
        self.print(&format!("Action: add some new movie presence (count={added})"));
        Ok(ActionEffect::Acted)
    }

    fn note_price(&self, movie: String, cinema: String) {
        self.ledger.keep(|notes| {
            notes.prices.entry(movie).or_default().insert(cinema);
        });
    }

    async fn order(&self, step: &LoadStep) -> ActionOutcome {
        let (member, account) = self.member(step.member);
        let Some((movie, cinema)) = self.pick_offer(member, step.object) else { return Ok(ActionEffect::Skipped) };
        let input = json!({ "movieId": movie, "cinemaId": cinema });
        let wrote = Thing::Order(&account.username, &movie, &cinema).with(Some(1));
        let write = WriteIntent { number: self.ledger.number(), wrote, under: None, made: "" };
        let payload = self.change(Some(account), &ORDER_MOVIE, input, write).await?;
        if let Some(id) = id_of(&payload["order"]) {
            self.echo(member, &id, OwnObject::Order(movie, cinema));
        }
        self.print("Action: create user movie order");
        Ok(ActionEffect::Acted)
    }

    /// Picks a movie at a cinema that a member has not yet tried to order in this run.
    fn pick_offer(&self, member: usize, draw: Draw) -> Option<(String, String)> {
        let tried = &mut self.ledger.notes().tried;
        let is_new = |movie: &str, cinema: &str| !tried.contains(&(member, movie.to_owned(), cinema.to_owned()));
        let (movie, cinema) = self.stock.offer(draw, is_new)?;
        tried.insert((member, movie.clone(), cinema.clone()));
        Some((movie, cinema))
    }

    async fn rate(&self, kind: SubjectKind, step: &LoadStep, rating: u32) -> ActionOutcome {
        let Some(subject) = self.stock.subject(kind, step.object) else { return Ok(ActionEffect::Skipped) };
        let (member, account) = self.member(step.member);
        let input = json!({ "subjectId": subject.id, "rating": rating });
        let wrote = Thing::Rating(&account.username, &subject.id).with(Some(rating));
        let write = WriteIntent { number: self.ledger.number(), wrote, under: Some(subject.id.clone()), made: "" };
        let outcome = self.change(Some(account), &RATE, input, write).await;
        match &outcome {
            Err(failure @ RequestFailure::Refused { .. }) => self.forget_if_gone(kind, failure, &subject.id),
            Ok(_) | Err(RequestFailure::Unknown { .. }) => self.ledger.keep(|notes| {
                notes.ratings.insert((member, subject.id.clone()));
            }),
        }
        outcome?;
        self.echo(member, &subject.id, OwnObject::Rating);
        let name = if kind == SubjectKind::Movie { "movie" } else { "publication" };
        self.print(&format!("Action: set user rating on {name}"));
        Ok(ActionEffect::Acted)
    }

    /// Others delete objects, too. Forgets them, so that they are not used again.
    fn forget_if_gone(&self, kind: SubjectKind, failure: &RequestFailure, id: &str) {
        if failure.code() == "NOT_FOUND" {
            self.stock.forget(kind, id);
        }
    }
}

/// The id of the new object; `None` if it was deleted before the response, such as a comment on a publication that
/// another client deleted.
pub(super) fn id_of(made: &Value) -> Option<String> {
    made["id"].as_str().map(str::to_owned)
}
