//! Mutations of accounts, sessions and roles.

use async_graphql::ID;
use futures_util::future::BoxFuture;
use graphql::{ArgumentTypes, FieldError, Inputs, Object, Registry, Root};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::inputs::{DeleteUserInput, GrantRoleInput, RevokeRoleInput};
use super::objects::User;
use super::session::SessionToken;
use super::{AccountServices, admin, credentials, events, service};
use crate::error::ApiResult;
use crate::kit::Id;
use crate::kit::changes::{Change, Input, MutationObject, Payload, PayloadObject, deleted, object, payload};
use crate::kit::idempotency::Repeat;
use crate::kit::mutate::{Outcome, WorkFn, mutate_keyed};
use crate::policy::Rule;
use crate::viewer::Role;

/// Admins grant and revoke roles, and delete other users' accounts.
const ADMINS: Rule = Rule::Has(Role::Admin);

/// Adds the mutations to their root.
pub fn add_to_mutation(mutation: Object<Root>) -> Object<Root> {
    add_roles(add_profile(add_sessions(mutation)))
}

fn add_sessions(mutation: Object<Root>) -> Object<Root> {
    mutation
        .perform(
            "signUp",
            "Creates an account and logs in. For everyone.",
            Rule::Anyone,
            logged_in(
                "The token to send in the header `Authorization: Bearer TOKEN`. It is returned only once. Null if \
                 there are errors, or if the request was repeated with its idempotency key. In the latter case, log \
                 in.",
                "The new user.",
            ),
            |change, input| Box::pin(async move { show_token(credentials::sign_up(change, input).await?) }),
        )
        .perform(
            "logIn",
            "Logs in with a username or an email address. The response is the same for a wrong password and for an \
             unknown account. After several failed attempts, further attempts get `RATE_LIMITED` for a while. For \
             everyone.",
            Rule::Anyone,
            logged_in(
                "The token to send in the header `Authorization: Bearer TOKEN`. It is returned only once. Null if \
                 there are errors.",
                "The user who logged in.",
            ),
            |change, input| Box::pin(async move { show_token(credentials::log_in(change, input).await?) }),
        )
        .perform(
            "logOut",
            "Ends the current session. For signed-in users.",
            Rule::SignedIn,
            logged_out(),
            |change, input| {
                end_sessions(change, input, viewer(change), |_| {}, |work, LogOut| Box::pin(service::log_out(work)))
            },
        )
        .perform(
            "logOutEverywhere",
            "Ends all sessions of the viewer, including the current one. For signed-in users.",
            Rule::SignedIn,
            logged_out(),
            |change, input| {
                end_sessions(
                    change,
                    input,
                    viewer(change),
                    |_| {},
                    |work, LogOut| Box::pin(service::log_out_everywhere(work)),
                )
            },
        )
        .perform(
            "revokeSession",
            "Revokes a session of the viewer. For signed-in users.",
            Rule::SignedIn,
            deleted("revokedId", "The id of the revoked session."),
            |change, input| {
                end_sessions(
                    change,
                    input,
                    viewer(change),
                    |_| {},
                    |work, input| Box::pin(service::revoke_session(work, input)),
                )
            },
        )
}

fn add_profile(mutation: Object<Root>) -> Object<Root> {
    mutation
        .perform(
            "updateProfile",
            "Changes the viewer's account. A new email address requires the current password. For signed-in users.",
            Rule::SignedIn,
            object::<User>("user", "The updated user."),
            |change, input| Box::pin(async move { credentials::update_profile(change, input).await?.payload() }),
        )
        .perform(
            "changePassword",
            "Changes the viewer's password and ends all other sessions of the viewer. For signed-in users.",
            Rule::SignedIn,
            object::<User>("user", "The user."),
            |change, input| {
                Box::pin(async move {
                    let _told = AccountServices::begin_change(change, viewer(change));
                    credentials::change_password(change, input).await?.payload()
                })
            },
        )
        .perform(
            "deleteAccount",
            "Permanently deletes the viewer's account and ends all its sessions. The viewer's publications and \
             comments remain, without an author. For signed-in users.",
            Rule::SignedIn,
            deleted::<User>("deletedId", "The id of the deleted user."),
            |change, input| {
                Box::pin(async move {
                    let _told = AccountServices::begin_change(change, viewer(change));
                    credentials::delete_account(change, input).await?.payload()
                })
            },
        )
}

fn add_roles(mutation: Object<Root>) -> Object<Root> {
    mutation
        .perform(
            "grantRole",
            "Grants a role to a user. It takes effect immediately. For admins.",
            ADMINS,
            object::<User>("user", "The updated user."),
            |change, input: &GrantRoleInput| {
                let user = user(&input.user_id);
                let log = move |outcome: &Outcome| events::role_changed(change, outcome, user, input.role, true);
                end_sessions(change, input, user, log, |work, input| Box::pin(admin::grant_to(work, input)))
            },
        )
        .perform(
            "revokeRole",
            "Revokes a role from a user. It takes effect immediately. The last admin cannot lose the role. For \
             admins.",
            ADMINS,
            object::<User>("user", "The updated user."),
            |change, input: &RevokeRoleInput| {
                let user = user(&input.user_id);
                let log = move |outcome: &Outcome| events::role_changed(change, outcome, user, input.role, false);
                end_sessions(change, input, user, log, |work, input| Box::pin(admin::revoke_from(work, input)))
            },
        )
        .perform(
            "deleteUser",
            "Deletes a user's account, as `deleteAccount` does. The last admin cannot be deleted. For admins.",
            ADMINS,
            deleted("deletedId", "The id of the deleted user."),
            |change, input: &DeleteUserInput| {
                let user = user(&input.id);
                let log = move |outcome: &Outcome| events::account_deleted(change, outcome, user);
                end_sessions(change, input, user, log, |work, input| Box::pin(admin::delete_user(work, input)))
            },
        )
}

/// The missing input: the payload of `logOut` and `logOutEverywhere`.
struct LogOut;

impl Input for LogOut {
    fn payload() -> String {
        "LogOutPayload".to_owned()
    }

    fn describe(_: &mut Registry) -> ArgumentTypes {
        ArgumentTypes::new()
    }

    fn read(_: &Inputs) -> Result<Self, FieldError> {
        Ok(Self)
    }
}

fn logged_out() -> Object<Payload<i32>> {
    Object::new("The payload of `logOut` and `logOutEverywhere`.").value(
        "endedSessions",
        "The number of sessions that were ended.",
        |payload: &Payload<i32>| payload.outcome.unwrap_or_default(),
    )
}

/// The user who logged in, with the token of the new session.
struct LoggedIn {
    token: Option<String>,
    user: Id<User>,
}

fn logged_in(token: &'static str, user: &'static str) -> Object<Payload<LoggedIn>> {
    payload()
        .value("token", token, |payload: &Payload<LoggedIn>| payload.outcome.as_ref()?.token.clone())
        .object::<User>("user", user, |outcome: &LoggedIn| outcome.user.key())
}

/// Includes the token only in the response to the request that began the session.
fn show_token((outcome, token): (Outcome, SessionToken)) -> ApiResult<Payload<LoggedIn>> {
    let is_new = !outcome.repeated;
    let Payload { outcome, errors, row } = outcome.payload()?;
    let token = (is_new && errors.is_empty()).then(|| token.reveal());
    Ok(Payload { outcome: outcome.map(|user| LoggedIn { token, user }), errors, row })
}

/// Runs a change of a user's sessions or roles, logs it, and notifies the user's open connections that their rights may
/// have changed.
fn end_sessions<'a, I: Input, O: Serialize + DeserializeOwned + Send + 'a>(
    change: &'a Change<'a>,
    input: &'a I,
    user: Option<i32>,
    log: impl FnOnce(&Outcome) + Send + 'a,
    work: WorkFn<I, O>,
) -> BoxFuture<'a, ApiResult<Payload<O>>> {
    Box::pin(async move {
        let _told = AccountServices::begin_change(change, user);
        let outcome = mutate_keyed(change, Repeat::SameArguments, input, work).await?;
        log(&outcome);
        outcome.payload()
    })
}

/// The viewer's key.
fn viewer(change: &Change<'_>) -> Option<i32> {
    change.viewer().map(|viewer| viewer.user)
}

/// The key of the user with this id.
fn user(id: &ID) -> Option<i32> {
    Id::<User>::parse("", id).ok().map(Id::key)
}
