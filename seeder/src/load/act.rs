//! Does what the script says, by the API, and notes what was acknowledged.

use std::time::Instant;

use seeder::script::{Action, Content, Draw, Offer, Step, TITLE};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::accounts::{Account, Accounts};
use super::api::{Api, Failure};
use super::documents::{
    ADD_COMMENT, CREATE_PUBLICATION, DELETE_PUBLICATION, DELETE_USER, OLDEST_PRESENCES, ORDER_MOVIE, RATE,
    REMOVE_AVAILABILITY, SET_AVAILABILITY, SIGN_UP, UPDATE_PUBLICATION,
};
use super::ledger::{Fate, Ledger, Published, Register, Said, SignedUp, text_of};
use super::screen::Screen;
use super::stock::{Kind, Parent, Stock, nodes};

/// How an action ended.
pub type Outcome = Result<Done, Failure>;

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// The action.
    Acted,
    /// Nothing: there was nothing to do it to.
    Skipped,
}

/// Whoever acts: the accounts, what they know, and what they have done.
pub struct Actor {
    /// The server.
    pub api: Api,
    /// Who acts.
    pub accounts: Accounts,
    /// What there is.
    pub stock: Stock,
    /// What was acknowledged.
    pub ledger: Ledger,
    /// Shows actions.
    pub screen: Screen,
    /// Ends the load.
    pub stopper: watch::Sender<bool>,
}

impl Actor {
    /// Does a step.
    ///
    /// # Errors
    /// The server refuses it, or nobody knows what became of it.
    pub async fn perform(&self, step: &Step) -> Outcome {
        match (step.action, &step.content) {
            (Action::CreateUser, Content::User { full_name, birth_year, bio }) => {
                self.create_user(full_name, *birth_year, bio).await
            }
            (Action::DeleteUser, _) => self.delete_user(step.object).await,
            (Action::CreatePublication, content) => self.create_publication(step, content).await,
            (Action::UpdatePublication, Content::Text(text)) => self.update_publication(step, text).await,
            (Action::DeletePublication, _) => self.delete_publication(step.object).await,
            (Action::CommentMovie, Content::Comment { text, reply }) => {
                self.comment(Kind::Movie, step, text, reply.as_deref()).await
            }
            (Action::CommentPublication, Content::Comment { text, reply }) => {
                self.comment(Kind::Publication, step, text, reply.as_deref()).await
            }
            (Action::ChangePresences, Content::Presences { remove, offers }) => {
                self.remove_presences(*remove).await?;
                self.add_presences(offers).await
            }
            (Action::OrderMovie, _) => self.order(step).await,
            (Action::RateMovie, Content::Rating(rating)) => self.rate(Kind::Movie, step, *rating).await,
            (Action::RatePublication, Content::Rating(rating)) => self.rate(Kind::Publication, step, *rating).await,
            // A script gives every action the content that it needs.
            _ => Ok(Done::Skipped),
        }
    }

    /// Prints an action. Nobody reads what is printed any more: that ends the load like a signal.
    fn print(&self, line: &str) {
        if self.screen.print_action(line).is_err() {
            self.stopper.send_replace(true);
        }
    }

    fn key(&self, number: u64) -> String {
        format!("load-{}-{number}", self.ledger.run())
    }

    fn member(&self, draw: Draw) -> (usize, &Account) {
        let place = draw.below(self.accounts.members.len());
        (place, &self.accounts.members[place])
    }

    async fn create_user(&self, full_name: &str, birth_year: u32, bio: &str) -> Outcome {
        let number = self.ledger.number();
        let username = format!("load-{}-{number}", self.ledger.run());
        let input = json!({
            "username": username,
            "email": format!("{username}@demo.example"),
            "password": format!("Проба-{}", self.key(number)),
            "fullName": full_name,
            "birthday": format!("{birth_year}-06-15"),
            "bio": bio,
        });
        match self.api.mutate(None, &SIGN_UP, input, &self.key(number)).await {
            Ok(payload) => {
                let user = SignedUp { id: text_of(&payload["user"], "id"), fate: Fate::There };
                self.ledger.notes().users.insert(username, user);
                self.print("Action: create user");
                Ok(Done::Acted)
            }
            Err(failure) => {
                if matches!(failure, Failure::Refused { .. }) {
                    self.ledger.keep(|notes| notes.refused_users.push(username));
                }
                Err(failure)
            }
        }
    }

    /// Marks a user deleted, one that this run has signed up.
    async fn delete_user(&self, draw: Draw) -> Outcome {
        let Some((name, id)) = self.pick_user(draw) else { return Ok(Done::Skipped) };
        let key = self.key(self.ledger.number());
        let outcome = self.accounts.admin.mutate(&self.api, &DELETE_USER, json!({ "id": id }), &key).await;
        self.ledger.notes().users.entry(name).and_modify(|user| user.fate = fate_after(&outcome));
        outcome?;
        self.print("Action: delete user (mark)");
        Ok(Done::Acted)
    }

    /// Picks a user of this run who is there, and whom nobody else picks while this is under way.
    fn pick_user(&self, draw: Draw) -> Option<(String, String)> {
        let mut notes = self.ledger.notes();
        let there = notes.users.iter_mut().filter(|(_, user)| user.fate == Fate::There);
        let (name, user) = draw.take(there.collect())?;
        user.fate = Fate::Unknown;
        Some((name.clone(), user.id.clone()))
    }

    async fn create_publication(&self, step: &Step, content: &Content) -> Outcome {
        let Content::Publication { title, text, tags, category } = content else { return Ok(Done::Skipped) };
        let (Some(category), Some(movie)) =
            (self.stock.category(*category), self.stock.subject(Kind::Movie, step.object))
        else {
            return Ok(Done::Skipped);
        };
        let number = self.ledger.number();
        let (author, account) = self.member(step.member);
        let title: String = title.replace(TITLE, &movie.title).chars().take(256).collect();
        let text = self.ledger.marked(&text.replace(TITLE, &movie.title), number);
        let input = json!({ "title": title, "text": text, "categoryId": category, "tags": tags });
        let began = Instant::now();
        match account.mutate(&self.api, &CREATE_PUBLICATION, input, &self.key(number)).await {
            Ok(payload) => {
                let id = text_of(&payload["publication"], "id");
                let mut text = Register::default();
                text.settle(began, number);
                let published = Published { author, text, fate: Fate::There };
                self.ledger.notes().publications.insert(id.clone(), published);
                self.stock.add_publication(&id, &title);
                self.print("Action: create publication");
                Ok(Done::Acted)
            }
            Err(failure) => self.doubt(number, failure),
        }
    }

    /// Rewrites the text of a publication of this run, by its author.
    async fn update_publication(&self, step: &Step, text: &str) -> Outcome {
        let Some((id, author)) = self.pick_publication(step.object, Fate::There) else { return Ok(Done::Skipped) };
        let title = self.stock.subject(Kind::Movie, step.member).map(|movie| movie.title).unwrap_or_default();
        let number = self.ledger.number();
        let text = self.ledger.marked(&text.replace(TITLE, &title), number);
        let began = Instant::now();
        let account = &self.accounts.members[author];
        let input = json!({ "id": id, "text": text });
        let outcome = account.mutate(&self.api, &UPDATE_PUBLICATION, input, &self.key(number)).await;
        if let Some(publication) = self.ledger.notes().publications.get_mut(&id) {
            match &outcome {
                Ok(_) => publication.text.settle(began, number),
                Err(Failure::Unknown { .. }) => publication.text.doubt(number),
                Err(Failure::Refused { .. }) => {}
            }
        }
        outcome?;
        self.print(&format!("Action: update publication ({id})"));
        Ok(Done::Acted)
    }

    /// Deletes a publication of this run, by its author.
    async fn delete_publication(&self, draw: Draw) -> Outcome {
        let Some((id, author)) = self.pick_publication(draw, Fate::Unknown) else { return Ok(Done::Skipped) };
        self.stock.forget(Kind::Publication, &id);
        let key = self.key(self.ledger.number());
        let account = &self.accounts.members[author];
        let outcome = account.mutate(&self.api, &DELETE_PUBLICATION, json!({ "id": id }), &key).await;
        let fate = fate_after(&outcome);
        self.ledger.notes().publications.entry(id.clone()).and_modify(|publication| publication.fate = fate);
        outcome?;
        self.print(&format!("Action: delete publication ({id})"));
        Ok(Done::Acted)
    }

    /// Picks a publication of this run that is there, and gives it a fate.
    fn pick_publication(&self, draw: Draw, fate: Fate) -> Option<(String, usize)> {
        let mut notes = self.ledger.notes();
        let there = notes.publications.iter_mut().filter(|(_, publication)| publication.fate == Fate::There);
        let (id, publication) = draw.take(there.collect())?;
        publication.fate = fate;
        Some((id.clone(), publication.author))
    }

    async fn comment(&self, kind: Kind, step: &Step, text: &str, reply: Option<&str>) -> Outcome {
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
        let input = json!({ "subjectId": id, "parentId": parent, "text": text });
        match account.mutate(&self.api, &ADD_COMMENT, input, &self.key(number)).await {
            Ok(payload) => {
                let comment = text_of(&payload["comment"], "id");
                let said = Said { number, subject: id.clone() };
                self.ledger.keep(|notes| {
                    notes.comments.insert(comment.clone(), said);
                });
                self.stock.add_comment(kind, Parent { id: comment, subject: id, title });
                let name = if kind == Kind::Movie { "movie" } else { "publication" };
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
    async fn remove_presences(&self, count: u32) -> Outcome {
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

    async fn add_presences(&self, offers: &[Offer]) -> Outcome {
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
                        notes.presences.entry(text_of(&payload["availability"], "id")).or_insert(Fate::There);
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

    async fn order(&self, step: &Step) -> Outcome {
        let (place, account) = self.member(step.member);
        let Some((movie, cinema)) = self.pick_offer(place, step.object) else { return Ok(Done::Skipped) };
        let input = json!({ "movieId": movie, "cinemaId": cinema });
        let payload = account.mutate(&self.api, &ORDER_MOVIE, input, &self.key(self.ledger.number())).await?;
        self.ledger.keep(|notes| notes.orders.push((place, text_of(&payload["order"], "id"))));
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

    async fn rate(&self, kind: Kind, step: &Step, rating: u32) -> Outcome {
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
        let name = if kind == Kind::Movie { "movie" } else { "publication" };
        self.print(&format!("Action: set user rating on {name}"));
        Ok(Done::Acted)
    }

    fn note_rating(&self, member: usize, subject: &str, note: impl FnOnce(&mut Register<i64>)) {
        self.ledger.keep(|notes| note(notes.ratings.entry((member, subject.to_owned())).or_default()));
    }

    /// Nobody knows whether a marked text was stored, unless it was refused.
    fn doubt(&self, number: u64, failure: Failure) -> Outcome {
        if matches!(failure, Failure::Unknown { .. }) {
            self.ledger.notes().unknown.insert(number);
        }
        Err(failure)
    }

    /// Others delete as well: what they have deleted is not asked for again.
    fn forget_if_gone(&self, kind: Kind, failure: &Failure, id: &str) {
        if failure.code() == "NOT_FOUND" {
            self.stock.forget(kind, id);
        }
    }
}

/// What has become of something that was to be deleted.
fn fate_after(outcome: &Result<Value, Failure>) -> Fate {
    match outcome {
        Ok(_) => Fate::Gone,
        // Somebody else has deleted it.
        Err(failure) if failure.code() == "NOT_FOUND" => Fate::Gone,
        Err(Failure::Refused { .. }) => Fate::There,
        Err(Failure::Unknown { .. }) => Fate::Unknown,
    }
}
