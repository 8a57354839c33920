//! Does what the script says, by the API, and notes what was acknowledged.

use std::time::Instant;

use serde_json::{Value, json};
use tokio::sync::watch;

use super::accounts::{Account, LoadAccounts};
use super::api::{Api, Failure};
use super::documents::{ADD_COMMENT, OLDEST_PRESENCES, ORDER_MOVIE, RATE, REMOVE_AVAILABILITY, SET_AVAILABILITY};
use super::ledger::{CommentRecord, Fate, Ledger, Register, digest, text_of};
use super::screen::Screen;
use super::stock::{Parent, Stock, SubjectKind, nodes};
use crate::script::{Action, Content, Draw, LoadStep, Offer, TITLE};

/// How an action ended.
pub type ActionOutcome = Result<Done, Failure>;

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// The action.
    Acted,
    /// Nothing: there was nothing to do it to.
    Skipped,
}

/// Whoever acts: the accounts, what they know, and what they have done.
pub struct LoadActor {
    /// The server.
    pub api: Api,
    /// Who acts.
    pub accounts: LoadAccounts,
    /// What there is.
    pub stock: Stock,
    /// What was acknowledged.
    pub ledger: Ledger,
    /// Shows actions.
    pub screen: Screen,
    /// Ends the load.
    pub stopper: watch::Sender<bool>,
}

impl LoadActor {
    /// Does a step.
    ///
    /// # Errors
    /// The server refuses it, or nobody knows what became of it.
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
            // A script gives every action the content that it needs.
            _ => Ok(Done::Skipped),
        }
    }

    /// Prints an action. Nobody reads what is printed any more: that ends the load like a signal.
    pub(super) fn print(&self, line: &str) {
        if self.screen.print_action(line).is_err() {
            self.stopper.send_replace(true);
        }
    }

    pub(super) fn key(&self, number: u64) -> String {
        format!("load-{}-{number}", self.ledger.run())
    }

    pub(super) fn member(&self, draw: Draw) -> (usize, &Account) {
        let place = draw.below(self.accounts.members.len());
        (place, &self.accounts.members[place])
    }

    async fn comment(&self, kind: SubjectKind, step: &LoadStep, text: &str, reply: Option<&str>) -> ActionOutcome {
        let parent = reply.and_then(|text| Some((text, self.stock.comment(kind, step.object)?)));
        let (text, id, title, parent) = match parent {
            Some((text, parent)) => (text, parent.subject, parent.title, Some(parent.id)),
            None => {
                let Some(subject) = self.stock.subject(kind, step.object) else { return Ok(Done::Skipped) };
                (text, subject.id, subject.title, None)
            }
        };
        let number = self.ledger.number();
        let (_, account) = self.member(step.member);
        let text = self.ledger.marked(&text.replace(TITLE, &title), number);
        let digest = digest(&text);
        let input = json!({ "subjectId": id, "parentId": parent, "text": text });
        match account.mutate(&self.api, &ADD_COMMENT, input, &self.key(number)).await {
            Ok(payload) => {
                match id_of(&payload["comment"]) {
                    Some(comment) => {
                        let said = CommentRecord { number, digest, subject: id.clone() };
                        self.ledger.keep(|notes| {
                            notes.comments.insert(comment.clone(), said);
                        });
                        self.stock.add_comment(kind, Parent { id: comment, subject: id, title });
                    }
                    None => self.note_unknown(number),
                }
                let name = if kind == SubjectKind::Movie { "movie" } else { "publication" };
                let child = if parent.is_some() { "True" } else { "False" };
                self.print(&format!("Action: create comment {name} (child={child})"));
                Ok(Done::Acted)
            }
            Err(failure) => {
                self.forget_if_gone(kind, &failure, parent.as_ref().unwrap_or(&id));
                self.doubt(number, failure)
            }
        }
    }

    /// Removes the presences that were not touched for longest.
    async fn remove_presences(&self, count: u32) -> ActionOutcome {
        let editor = &self.accounts.editor;
        let data = self.api.query(None, OLDEST_PRESENCES, &json!({ "first": count })).await?;
        let mut removed = 0;
        for presence in nodes(&data["availabilities"]) {
            let id = text_of(presence, "id");
            let key = self.key(self.ledger.number());
            let outcome = editor.mutate(&self.api, &REMOVE_AVAILABILITY, json!({ "id": id }), &key).await;
            match &outcome {
                // Somebody else was faster.
                Err(failure) if failure.code() == "NOT_FOUND" => continue,
                Err(Failure::Refused { .. }) => {}
                Ok(_) | Err(Failure::Unknown { .. }) => {
                    self.ledger.keep(|notes| {
                        notes.presences.insert(id, fate_after(&outcome));
                    });
                }
            }
            outcome?;
            removed += 1;
        }
        self.print(&format!("Action: delete some movie presence (count={removed})"));
        Ok(Done::Acted)
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
            let key = self.key(self.ledger.number());
            let began = Instant::now();
            let outcome = editor.mutate(&self.api, &SET_AVAILABILITY, input, &key).await;
            self.ledger.keep(|notes| {
                let price = notes.prices.entry((movie, cinema)).or_default();
                match &outcome {
                    Ok(payload) => {
                        price.settle(began, offer.price);
                        // One that somebody removes at this moment may be gone again.
                        if let Some(id) = id_of(&payload["availability"]) {
                            notes.presences.entry(id).or_insert(Fate::There);
                        }
                    }
                    Err(Failure::Unknown { .. }) => price.doubt(offer.price),
                    Err(Failure::Refused { .. }) => {}
                }
            });
            outcome?;
            added += 1;
        }
        self.print(&format!("Action: add some new movie presence (count={added})"));
        Ok(Done::Acted)
    }

    async fn order(&self, step: &LoadStep) -> ActionOutcome {
        let (place, account) = self.member(step.member);
        let Some((movie, cinema)) = self.pick_offer(place, step.object) else { return Ok(Done::Skipped) };
        let input = json!({ "movieId": movie, "cinemaId": cinema });
        let payload = account.mutate(&self.api, &ORDER_MOVIE, input, &self.key(self.ledger.number())).await?;
        self.ledger.keep(|notes| notes.orders.extend(id_of(&payload["order"]).map(|id| (place, id))));
        self.print("Action: create user movie order");
        Ok(Done::Acted)
    }

    /// Picks a movie at a cinema that a member has not tried to order in this run.
    fn pick_offer(&self, member: usize, draw: Draw) -> Option<(String, String)> {
        let tried = &mut self.ledger.notes().tried;
        let is_new = |movie: &str, cinema: &str| !tried.contains(&(member, movie.to_owned(), cinema.to_owned()));
        let (movie, cinema) = self.stock.offer(draw, is_new)?;
        tried.insert((member, movie.clone(), cinema.clone()));
        Some((movie, cinema))
    }

    async fn rate(&self, kind: SubjectKind, step: &LoadStep, rating: u32) -> ActionOutcome {
        let Some(subject) = self.stock.subject(kind, step.object) else { return Ok(Done::Skipped) };
        let (place, account) = self.member(step.member);
        let input = json!({ "subjectId": subject.id, "rating": rating });
        let began = Instant::now();
        let outcome = account.mutate(&self.api, &RATE, input, &self.key(self.ledger.number())).await;
        match &outcome {
            Ok(_) => self.note_rating(place, &subject.id, |ratings| ratings.settle(began, rating.into())),
            Err(Failure::Unknown { .. }) => {
                self.note_rating(place, &subject.id, |ratings| ratings.doubt(rating.into()))
            }
            Err(failure @ Failure::Refused { .. }) => self.forget_if_gone(kind, failure, &subject.id),
        }
        outcome?;
        let name = if kind == SubjectKind::Movie { "movie" } else { "publication" };
        self.print(&format!("Action: set user rating on {name}"));
        Ok(Done::Acted)
    }

    fn note_rating(&self, member: usize, subject: &str, note: impl FnOnce(&mut Register<i64>)) {
        self.ledger.keep(|notes| note(notes.ratings.entry((member, subject.to_owned())).or_default()));
    }

    /// Nobody knows whether a marked text was stored, unless it was refused.
    pub(super) fn doubt(&self, number: u64, failure: Failure) -> ActionOutcome {
        if matches!(failure, Failure::Unknown { .. }) {
            self.note_unknown(number);
        }
        Err(failure)
    }

    pub(super) fn note_unknown(&self, number: u64) {
        self.ledger.keep(|notes| {
            notes.unknown.insert(number);
        });
    }

    /// Others delete as well: what they have deleted is not asked for again.
    fn forget_if_gone(&self, kind: SubjectKind, failure: &Failure, id: &str) {
        if failure.code() == "NOT_FOUND" {
            self.stock.forget(kind, id);
        }
    }
}

/// The id of what was made; `None` if it was gone again by the time of the answer, such as a comment whose publication
/// somebody has deleted.
pub(super) fn id_of(made: &Value) -> Option<String> {
    made["id"].as_str().map(str::to_owned)
}

/// What has become of something that was to be deleted.
pub(super) fn fate_after(outcome: &Result<Value, Failure>) -> Fate {
    match outcome {
        Ok(_) => Fate::Gone,
        // Somebody else has deleted it.
        Err(failure) if failure.code() == "NOT_FOUND" => Fate::Gone,
        Err(Failure::Refused { .. }) => Fate::There,
        Err(Failure::Unknown { .. }) => Fate::Unknown,
    }
}
