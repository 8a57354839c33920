//! Users and publications, which a run makes itself, and changes and deletes only if it has made them.

use std::time::Instant;

use serde_json::json;

use super::act::{ActionOutcome, Done, LoadActor, fate_after, id_of};
use super::api::Failure;
use super::documents::{CREATE_PUBLICATION, DELETE_PUBLICATION, DELETE_USER, SIGN_UP, UPDATE_PUBLICATION};
use super::ledger::{Fate, Published, Register, SignedUp, digest};
use super::stock::SubjectKind;
use crate::script::{Content, Draw, LoadStep, TITLE};

impl LoadActor {
    pub(super) async fn create_user(&self, full_name: &str, birth_year: u32, bio: &str) -> ActionOutcome {
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
                if let Some(id) = id_of(&payload["user"]) {
                    self.ledger.notes().users.insert(username, SignedUp { id, fate: Fate::There });
                }
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
    pub(super) async fn delete_user(&self, draw: Draw) -> ActionOutcome {
        let Some((name, id)) = self.pick_user(draw) else { return Ok(Done::Skipped) };
        let key = self.key(self.ledger.number());
        let outcome = self.accounts.admin.mutate(&self.api, &DELETE_USER, json!({ "id": id }), &key).await;
        let (fate, mut notes) = (fate_after(&outcome), self.ledger.notes());
        if self.ledger.wants(fate) {
            notes.users.entry(name).and_modify(|user| user.fate = fate);
        } else {
            notes.users.remove(&name);
        }
        drop(notes);
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

    pub(super) async fn create_publication(&self, step: &LoadStep, content: &Content) -> ActionOutcome {
        let Content::Publication { title, text, tags, category } = content else { return Ok(Done::Skipped) };
        let (Some(category), Some(movie)) =
            (self.stock.category(*category), self.stock.subject(SubjectKind::Movie, step.object))
        else {
            return Ok(Done::Skipped);
        };
        let number = self.ledger.number();
        let (author, account) = self.member(step.member);
        let title: String = title.replace(TITLE, &movie.title).chars().take(256).collect();
        let text = self.ledger.marked(&text.replace(TITLE, &movie.title), number);
        let digest = digest(&text);
        let input = json!({ "title": title, "text": text, "categoryId": category, "tags": tags });
        let began = Instant::now();
        match account.mutate(&self.api, &CREATE_PUBLICATION, input, &self.key(number)).await {
            Ok(payload) => {
                let mut text = Register::default();
                text.settle(began, digest);
                let published = Published { author, text, fate: Fate::There };
                match id_of(&payload["publication"]) {
                    Some(id) => {
                        self.stock.add_publication(&id, &title);
                        self.ledger.notes().publications.insert(id, published);
                    }
                    None => self.note_unknown(number),
                }
                self.print("Action: create publication");
                Ok(Done::Acted)
            }
            Err(failure) => self.doubt(number, failure),
        }
    }

    /// Rewrites the text of a publication of this run, by its author.
    pub(super) async fn update_publication(&self, step: &LoadStep, text: &str) -> ActionOutcome {
        let Some((id, author)) = self.pick_publication(step.object, Fate::There) else { return Ok(Done::Skipped) };
        let title = self.stock.subject(SubjectKind::Movie, step.member).map(|movie| movie.title).unwrap_or_default();
        let number = self.ledger.number();
        let text = self.ledger.marked(&text.replace(TITLE, &title), number);
        let began = Instant::now();
        let digest = digest(&text);
        let account = &self.accounts.members[author];
        let input = json!({ "id": id, "text": text });
        let outcome = account.mutate(&self.api, &UPDATE_PUBLICATION, input, &self.key(number)).await;
        if let Some(publication) = self.ledger.notes().publications.get_mut(&id) {
            match &outcome {
                Ok(_) => publication.text.settle(began, digest),
                Err(Failure::Unknown { .. }) => publication.text.doubt(digest),
                Err(Failure::Refused { .. }) => {}
            }
        }
        outcome?;
        self.print(&format!("Action: update publication ({id})"));
        Ok(Done::Acted)
    }

    /// Deletes a publication of this run, by its author.
    pub(super) async fn delete_publication(&self, draw: Draw) -> ActionOutcome {
        let Some((id, author)) = self.pick_publication(draw, Fate::Unknown) else { return Ok(Done::Skipped) };
        self.stock.forget(SubjectKind::Publication, &id);
        let key = self.key(self.ledger.number());
        let account = &self.accounts.members[author];
        let outcome = account.mutate(&self.api, &DELETE_PUBLICATION, json!({ "id": id }), &key).await;
        let fate = fate_after(&outcome);
        let mut notes = self.ledger.notes();
        if self.ledger.wants(fate) {
            notes.publications.entry(id.clone()).and_modify(|publication| publication.fate = fate);
        } else {
            notes.publications.remove(&id);
        }
        drop(notes);
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
}
