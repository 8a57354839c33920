//! Mutations with passwords. Hashing and verifying stay outside of transactions, which only compare the stored hash
//! with the one that was verified.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use chrono::TimeDelta;
use entity::users;
use futures_util::future::BoxFuture;
use sea_orm::{EntityTrait, QuerySelect};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::events;
use super::inputs::{ChangePasswordInput, DeleteAccountInput, LogInInput, SignUpInput, UpdateProfileInput};
use super::password::{self, HashTurn, Passwords};
use super::service;
use super::session::{ChangeInProgress, NewSession, SessionChanges, SessionToken};
use super::throttle::{Throttle, Try};
use crate::error::{ApiError, ApiResult};
use crate::kit::changes::Change;
use crate::kit::form::{Omittable, path};
use crate::kit::idempotency::{Ending, Repeat};
use crate::kit::mutate::{Outcome, mutate_keyed};
use crate::kit::spelling::compose;
use crate::kit::{Problems, Rejection, UserError, UserErrorCode, UserErrorReason, Work};
use crate::quota::network;
use crate::rate::{Rate, Who};
use crate::viewer::Viewer;

/// What log-ins need in addition to the database. It is one of the domains' services. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct AccountServices {
    /// Hashes passwords.
    pub passwords: Passwords,
    /// Counts failures.
    pub throttle: Throttle,
    /// Counts sign-ups and new email addresses, by network address.
    pub signups: Rate,
    /// How long a session lives after its last use.
    pub session_lifetime: TimeDelta,
    /// Reports ended sessions.
    pub session_changes: SessionChanges,
}

impl AccountServices {
    /// The server's instance.
    pub fn of<'a>(change: &Change<'a>) -> &'a Self {
        change.services.of_domain()
    }

    /// Begins a change of a user's sessions or roles. At its end, the user's open connections are notified.
    pub(super) fn begin_change<'a>(change: &Change<'a>, user: Option<i32>) -> ChangeInProgress<'a> {
        Self::of(change).session_changes.begin(user)
    }

    /// Returns the new password's hash, unless the password is invalid, and what makes a sign-up the same.
    ///
    /// # Errors
    /// Too many requests are waiting already.
    async fn prepare_sign_up(&self, change: &Change<'_>, input: &SignUpInput) -> ApiResult<(Option<String>, Repeat)> {
        let mut problems = Problems::new();
        service::check_password(&mut problems, "password", &input.password, &[&input.username, &input.email]);
        if problems.count() > 0 {
            // Nothing is changed, so there is nothing to store.
            return Ok((None, Repeat::Never));
        }
        let turn = self.passwords.turn(change.address()).await?;
        let hash = turn.hash(&input.password).await?;
        Ok((Some(hash), same(change, &turn, &[("password", &input.password)]).await?))
    }

    /// Counts a sign-up or a new email address, whatever its outcome.
    ///
    /// # Errors
    /// The limit is reached, or too many were rejected because the value was taken.
    fn count_sign_up(&self, change: &Change<'_>) -> ApiResult<()> {
        self.signups.take(Who::Address(network(change.address())), Instant::now())?;
        // Before any hashing. The count follows later, because many clients may sign up simultaneously.
        self.admit_sign_up(change).map(|tried| tried.forget(Instant::now()))
    }

    /// Runs a change that reveals whether a value is taken. Clients must not be able to probe for that: such rejections
    /// count like failed log-ins, to a pseudo-account of the address. Each change counts until its outcome is known, so
    /// that simultaneous ones reveal no more.
    ///
    /// # Errors
    /// Too many were rejected, or `run` failed.
    async fn run_counted(
        &self,
        change: &Change<'_>,
        run: impl Future<Output = ApiResult<Outcome>>,
    ) -> ApiResult<Outcome> {
        let tried = self.admit_sign_up(change)?;
        let outcome = run.await;
        let is_taken = |error: &UserError| error.code == UserErrorCode::Conflict;
        match &outcome {
            Ok(Outcome { ending: Ending::Refused(errors, _), .. }) if errors.iter().any(is_taken) => {}
            _ => tried.forget(Instant::now()),
        }
        outcome
    }

    fn admit_sign_up(&self, change: &Change<'_>) -> ApiResult<Try> {
        // A username cannot contain a space.
        self.admit(change, &format!("sign-up from {}", network(change.address())))
    }

    fn admit(&self, change: &Change<'_>, account: &str) -> ApiResult<Try> {
        self.throttle.admit(account, change.address(), Instant::now())
    }
}

/// Creates an account and its first session.
///
/// # Errors
/// Top-level errors: the limit of sign-ups, or of concurrent ones, is reached.
pub async fn sign_up(change: &Change<'_>, input: &SignUpInput) -> ApiResult<(Outcome, SessionToken)> {
    let accounts = AccountServices::of(change);
    accounts.count_sign_up(change)?;
    let (hash, repeat) = accounts.prepare_sign_up(change, input).await?;
    let token = SessionToken::random();
    let new = NewSession::of(change, &token);
    let given = (input, hash, new);
    let run = mutate_keyed(change, repeat, &given, |work, (input, hash, new)| {
        Box::pin(service::sign_up(work, input, hash.as_deref(), new))
    });
    let outcome = accounts.run_counted(change, run).await?;
    events::signed_up(change, &outcome);
    Ok((outcome, token))
}

/// Begins a session after checking the password.
///
/// # Errors
/// Top-level errors: the limit of failures, or of concurrent log-ins, is reached.
pub async fn log_in(change: &Change<'_>, input: &LogInInput) -> ApiResult<(Outcome, SessionToken)> {
    let accounts = AccountServices::of(change);
    let login = input.login.trim().to_lowercase();
    // In one spelling: otherwise each spelling would get its own tries.
    let tried =
        accounts.admit(change, &compose(&login)).inspect_err(|error| events::log_in_turned_away(change, error))?;
    let outcome = log_in_as(change, accounts, &login, &input.password).await;
    settle(tried, &outcome);
    outcome
}

async fn log_in_as(
    change: &Change<'_>,
    accounts: &AccountServices,
    login: &str,
    given: &str,
) -> ApiResult<(Outcome, SessionToken)> {
    let turn = accounts.passwords.turn(change.address()).await?;
    let known = find(change, login).await?;
    // In any case: an unknown account takes as long as a wrong password.
    let stored = known.as_ref().map(|(_, stored)| stored.clone());
    let token = SessionToken::random();
    let fits = !password::is_too_long(given) && turn.verify(given, stored).await?;
    let user = known.as_ref().map(|(user, _)| *user);
    let Some((user, stored)) = known.filter(|_| fits) else {
        events::log_in_refused(change, user);
        return Ok((refused("the login or the password is wrong"), token));
    };
    let rehashed = if accounts.passwords.is_weaker(&stored) { Some(turn.hash(given).await?) } else { None };
    drop(turn);
    let new = NewSession::of(change, &token);
    let log_in = service::LogIn { user, verified: &stored, rehashed: rehashed.as_deref() };
    let made_room = AtomicBool::new(false);
    let outcome = mutate_keyed(change, Repeat::Never, &(log_in, new, &made_room), |work, (log_in, new, made_room)| {
        Box::pin(async {
            let (id, ended) = service::log_in(work, log_in, new).await?;
            made_room.store(ended, Ordering::Relaxed);
            Ok(id)
        })
    })
    .await;
    // Only then: otherwise each of the user's sockets would look up its session after every log-in.
    if made_room.load(Ordering::Relaxed) {
        accounts.session_changes.notify(user);
    }
    let outcome = outcome?;
    match outcome.ending {
        Ending::Done(_) => events::logged_in(change, user),
        Ending::Refused(..) => events::log_in_refused(change, Some(user)),
    }
    Ok((outcome, token))
}

fn refused(message: &str) -> Outcome {
    let error = UserError::bad_input("", UserErrorReason::WrongCredentials, message);
    let error = UserError { field: None, ..error };
    Outcome::new(Ending::Refused(vec![error], None), false)
}

/// The user with this username or email address, and their stored password hash.
async fn find(change: &Change<'_>, login: &str) -> ApiResult<Option<(i32, String)>> {
    let found = change.read(|| service::find_by_login(change.db(), login)).await?;
    Ok(found.map(|user| (user.id, user.password)))
}

/// Counts a wrong password as a failure.
fn settle(tried: Try, outcome: &ApiResult<(Outcome, SessionToken)>) {
    match outcome {
        Ok((Outcome { ending: Ending::Done(_), .. }, _)) => tried.succeed(Instant::now()),
        Ok(_) => {}
        Err(_) => tried.forget(Instant::now()),
    }
}

/// Changes the viewer's password.
///
/// # Errors
/// Top-level errors: the limit of failures, or of concurrent log-ins, is reached.
pub async fn change_password(change: &Change<'_>, input: &ChangePasswordInput) -> ApiResult<Outcome> {
    refuse_throttled(change)?;
    let names = names_of(change, viewer(change)?.user).await?;
    let mut problems = Problems::new();
    service::check_password(&mut problems, "newPassword", &input.new_password, &[&names[0], &names[1]]);
    let turn = AccountServices::of(change).passwords.turn(change.address()).await?;
    let new = if problems.count() == 0 { turn.hash(&input.new_password).await? } else { password::UNUSABLE.to_owned() };
    let secrets = [("currentPassword", input.current_password.as_str()), ("newPassword", &input.new_password)];
    let repeat = same(change, &turn, &secrets).await?;
    drop(turn);
    let given = ("currentPassword", input.current_password.as_str());
    let outcome = with_password(change, given, repeat, &(problems, new), |work, (problems, new), verified| {
        Box::pin(async move {
            let mut problems = problems.clone();
            problems.take(service::lock_verified(work, verified, "currentPassword").await)?;
            problems.check()?;
            service::change_password(work, new).await
        })
    })
    .await?;
    events::password_changed(change, &outcome);
    Ok(outcome)
}

/// Changes the viewer's profile. The password is verified if it is given. A new email address is counted, because the
/// response reveals whether it is taken.
///
/// # Errors
/// Top-level errors: the limit of failures, of new addresses, or of concurrent log-ins is reached.
pub async fn update_profile(change: &Change<'_>, input: &UpdateProfileInput) -> ApiResult<Outcome> {
    let accounts = AccountServices::of(change);
    let Omittable::Value(password) = input.current_password.clone() else {
        let run = mutate_keyed(change, Repeat::SameArguments, input, |work, input| {
            Box::pin(service::update_profile(work, input, None))
        });
        // The response also reveals whether a username is taken.
        return if input.username.is_value() { accounts.run_counted(change, run).await } else { run.await };
    };
    refuse_throttled(change)?;
    let has_new_email = match &input.email {
        Omittable::Value(email) => {
            let [_, stored] = names_of(change, viewer(change)?.user).await?;
            compose(&stored) != compose(email.trim()).to_lowercase()
        }
        _ => false,
    };
    if has_new_email {
        accounts.count_sign_up(change)?;
    }
    let turn = accounts.passwords.turn(change.address()).await?;
    let repeat = same(change, &turn, &[("currentPassword", &password)]).await?;
    drop(turn);
    let run = with_password(change, ("currentPassword", &password), repeat, input, |work, input, verified| {
        Box::pin(service::update_profile(work, input, verified))
    });
    let tells = has_new_email || input.username.is_value();
    if tells { accounts.run_counted(change, run).await } else { run.await }
}

/// Deletes the viewer's account.
///
/// # Errors
/// Top-level errors: the limit of failures, or of concurrent log-ins, is reached.
pub async fn delete_account(change: &Change<'_>, input: &DeleteAccountInput) -> ApiResult<Outcome> {
    // The deleted user cannot repeat it.
    let given = ("password", input.password.as_str());
    let outcome = with_password(change, given, Repeat::Never, &(), |work, (), verified| {
        Box::pin(async move {
            service::lock_verified(work, verified, "password").await?;
            service::delete_account(work).await
        })
    })
    .await?;
    events::account_deleted(change, &outcome, change.viewer().map(|viewer| viewer.user));
    Ok(outcome)
}

/// Before any hashing: a client with too many failures gets no turn.
fn refuse_throttled(change: &Change<'_>) -> ApiResult<()> {
    AccountServices::of(change).admit(change, &own_account(viewer(change)?)).map(|tried| tried.forget(Instant::now()))
}

/// The viewer's account in the throttle. No username or address has this form.
fn own_account(viewer: Viewer) -> String {
    format!("{}@", viewer.user)
}

/// Like [`WorkFn`](crate::kit::mutate::WorkFn), with the stored hash that the given password was verified with. `None`
/// if the password is wrong.
type VerifiedWorkFn<I, O> = for<'w> fn(&'w Work, &'w I, Option<&'w str>) -> BoxFuture<'w, Result<O, Rejection>>;

/// Runs a mutation that requires the viewer's password, because a stolen token must not be enough. The password is
/// `given` in this field of the input.
async fn with_password<I: Sync, O: Serialize>(
    change: &Change<'_>,
    (field, given): (&str, &str),
    repeat: Repeat,
    input: &I,
    work: VerifiedWorkFn<I, O>,
) -> ApiResult<Outcome> {
    let accounts = AccountServices::of(change);
    let viewer = viewer(change)?;
    let tried = accounts.admit(change, &own_account(viewer))?;
    let verified = async {
        let turn = accounts.passwords.turn(change.address()).await?;
        let rows = users::Entity::find_by_id(viewer.user).select_only().column(users::Column::Password);
        let stored: Option<String> = change.read(|| rows.clone().into_tuple().one(change.db())).await?;
        let fits = !password::is_too_long(given) && turn.verify(given, stored.clone()).await?;
        Ok::<_, ApiError>(stored.filter(|_| fits))
    };
    let verified = match verified.await {
        Ok(verified) => verified,
        Err(error) => {
            tried.forget(Instant::now());
            return Err(error);
        }
    };
    let is_right = verified.is_some();
    let outcome = mutate_keyed(change, repeat, &(input, verified, work), |txn, (input, verified, work)| {
        work(txn, input, verified.as_deref())
    })
    .await;
    let is_wrong = |error: &UserError| error.field == Some(path(field));
    match &outcome {
        _ if is_right => tried.succeed(Instant::now()),
        Ok(Outcome { ending: Ending::Refused(errors, _), .. }) if errors.iter().any(is_wrong) => {}
        // Perhaps only the password differs from the earlier request's.
        Err(ApiError::Conflict(_)) => {}
        _ => tried.forget(Instant::now()),
    }
    outcome
}

fn viewer(change: &Change<'_>) -> ApiResult<Viewer> {
    change.viewer().ok_or(ApiError::Unauthenticated)
}

async fn names_of(change: &Change<'_>, user: i32) -> ApiResult<[String; 2]> {
    let rows = users::Entity::find_by_id(user).select_only().columns([users::Column::Username, users::Column::Email]);
    let names: Option<(String, String)> = change.read(|| rows.clone().into_tuple().one(change.db())).await?;
    Ok(names.map_or_else(Default::default, |(username, email)| [username, email]))
}

/// What makes a mutation with these passwords the same, if the client sent an idempotency key. The key's hash contains
/// the passwords only in a form that is as expensive to brute-force as their hashes.
async fn same(change: &Change<'_>, turn: &HashTurn, passwords: &[(&'static str, &str)]) -> ApiResult<Repeat> {
    let Some(key) = change.idempotency_key() else {
        return Ok(Repeat::Never);
    };
    let salt = Sha256::digest(key.as_bytes()).into();
    let mut prints = Vec::new();
    for (field, password) in passwords {
        prints.push((*field, turn.print(password, salt).await?));
    }
    Ok(Repeat::SameBut(prints))
}
