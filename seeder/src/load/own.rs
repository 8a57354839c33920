//! Actions on users and publications. A run changes and deletes only its own.

use serde_json::{Value, json};

use super::act::{ActionEffect, ActionOutcome, LoadActor, WriteIntent, id_of};
use super::api::RequestFailure;
use super::documents::{CREATE_PUBLICATION, DELETE_PUBLICATION, DELETE_USER, SIGN_UP, UPDATE_PUBLICATION};
use super::echo::OwnObject;
use super::ledger::OwnPublication;
use super::stock::SubjectKind;
use crate::history::line::Thing;
use crate::script::{Content, Draw, LoadStep, TITLE};

impl LoadActor {
    pub(super) async fn create_user(&self, full_name: &str, birth_year: u32, bio: &str) -> ActionOutcome {
        let number = self.ledger.number();
        let username = self.ledger.username(number);
        let input = json!({
            "username": username,
            "email": format!("{username}@demo.example"),
            "password": format!("Проба-{}", self.key(number)),
            "fullName": full_name,
            "birthday": format!("{birth_year}-06-15"),
            "bio": bio,
        });
        let wrote = Thing::User(number).with(Some(number));
        // Refused users are looked up at the end, too.
        self.ledger.keep(|notes| notes.signed_up.push(number));
        let payload = self.change(None, &SIGN_UP, input, WriteIntent { number, wrote, under: None, made: "" }).await?;
        if let Some(id) = id_of(&payload["user"]) {
            self.ledger.notes().users.insert(number, id);
        }
        self.print("Action: create user");
        Ok(ActionEffect::Acted)
    }

    /// Marks a user of this run as deleted.
    pub(super) async fn delete_user(&self, draw: Draw) -> ActionOutcome {
        // No other action can pick this user meanwhile.
        let picked = {
            let mut notes = self.ledger.notes();
            let picked = draw.take(notes.users.keys().copied().collect());
            picked.and_then(|number| Some((number, notes.users.remove(&number)?)))
        };
        let Some((user, id)) = picked else { return Ok(ActionEffect::Skipped) };
        let wrote = Thing::User(user).with(None);
        let write = WriteIntent { number: self.ledger.number(), wrote, under: None, made: "" };
        let outcome = self.change(Some(&self.accounts.admin), &DELETE_USER, json!({ "id": id }), write).await;
        if is_still_there(&outcome) {
            self.ledger.notes().users.insert(user, id);
        }
        outcome?;
        self.print("Action: delete user (mark)");
        Ok(ActionEffect::Acted)
    }

    pub(super) async fn create_publication(&self, step: &LoadStep, content: &Content) -> ActionOutcome {
        let Content::Publication { title, text, tags, category } = content else { return Ok(ActionEffect::Skipped) };
        let (Some(category), Some(movie)) =
            (self.stock.category(*category), self.stock.subject(SubjectKind::Movie, step.object))
        else {
            return Ok(ActionEffect::Skipped);
        };
        let number = self.ledger.number();
        let (author, account) = self.member(step.member);
        let title: String = title.replace(TITLE, &movie.title).chars().take(256).collect();
        let text = self.ledger.marked(&text.replace(TITLE, &movie.title), number);
        let input = json!({ "title": title, "text": text, "categoryId": category, "tags": tags });
        let wrote = Thing::Publication(number).with(Some(number));
        let write = WriteIntent { number, wrote, under: None, made: "publication" };
        let payload = self.change(Some(account), &CREATE_PUBLICATION, input, write).await?;
        if let Some(id) = id_of(&payload["publication"]) {
            self.ledger.notes().publications.insert(number, OwnPublication { number, id: id.clone(), author });
            self.stock.add_publication(&id, &title);
            self.echo(author, &id, OwnObject::Publication(number));
        }
        self.print("Action: create publication");
        Ok(ActionEffect::Acted)
    }

    /// Replaces the text of a publication of this run, as its author.
    pub(super) async fn update_publication(&self, step: &LoadStep, text: &str) -> ActionOutcome {
        let picked = step.object.take(self.ledger.notes().publications.values().cloned().collect());
        let Some(OwnPublication { number, id, author }) = picked else { return Ok(ActionEffect::Skipped) };
        let title = self.stock.subject(SubjectKind::Movie, step.member).map(|movie| movie.title).unwrap_or_default();
        let new = self.ledger.number();
        let text = self.ledger.marked_replacement(&text.replace(TITLE, &title), number, new);
        let wrote = Thing::Publication(number).with(Some(new));
        let write = WriteIntent { number: new, wrote, under: None, made: "" };
        let input = json!({ "id": id, "text": text });
        self.change(Some(&self.accounts.members[author]), &UPDATE_PUBLICATION, input, write).await?;
        self.echo(author, &id, OwnObject::Publication(number));
        self.print(&format!("Action: update publication ({id})"));
        Ok(ActionEffect::Acted)
    }

    /// Deletes a publication of this run, as its author.
    pub(super) async fn delete_publication(&self, draw: Draw) -> ActionOutcome {
        let picked = {
            let mut notes = self.ledger.notes();
            let picked = draw.take(notes.publications.keys().copied().collect());
            picked.and_then(|number| notes.publications.remove(&number))
        };
        let Some(picked) = picked else { return Ok(ActionEffect::Skipped) };
        let OwnPublication { number, id, author } = picked.clone();
        self.stock.forget(SubjectKind::Publication, &id);
        let wrote = Thing::Publication(number).with(None);
        let write = WriteIntent { number: self.ledger.number(), wrote, under: None, made: "" };
        let account = &self.accounts.members[author];
        let outcome = self.change(Some(account), &DELETE_PUBLICATION, json!({ "id": id }), write).await;
        if is_still_there(&outcome) {
            self.ledger.notes().publications.insert(number, picked);
        }
        outcome?;
        self.echo(author, &id, OwnObject::Publication(number));
        self.print(&format!("Action: delete publication ({id})"));
        Ok(ActionEffect::Acted)
    }
}

/// Whether an object that was to be deleted can be picked again.
fn is_still_there(outcome: &Result<Value, RequestFailure>) -> bool {
    matches!(outcome, Err(failure @ RequestFailure::Refused { .. }) if failure.code() != "NOT_FOUND")
}
