//! Log events of accounts: successful and rejected log-ins, sign-ups, changes of roles and passwords, deletions.
//!
//! Each event has the user's key. It never contains a password, a token, or a login as typed, which may be a password.

use crate::error::ApiError;
use crate::kit::changes::Change;
use crate::kit::idempotency::Ending;
use crate::kit::mutate::Outcome;
use crate::viewer::Role;

macro_rules! log_event {
    ($level:ident, $change:expr, $event:literal, $user:expr, $($more:tt)*) => {
        tracing::$level!(
            event = $event,
            user = $user,
            client = %$change.address(),
            request_id = crate::telemetry::request_id(),
            $($more)*
        )
    };
}

/// A user logged in.
pub(super) fn logged_in(change: &Change<'_>, user: i32) {
    log_event!(info, change, "log_in", user, "a user logged in");
}

/// A log-in was rejected: the login, which may be unknown, or the password is wrong.
pub(super) fn log_in_refused(change: &Change<'_>, user: Option<i32>) {
    log_event!(warn, change, "log_in_refused", user, "a log-in was refused: wrong login or password");
}

/// A log-in was not attempted, after too many failures or because too many are waiting.
pub(super) fn log_in_turned_away(change: &Change<'_>, error: &ApiError) {
    log_event!(warn, change, "log_in_refused", None::<i32>, "a log-in was refused: {}", error.publish().0);
}

/// A user signed up.
pub(super) fn signed_up(change: &Change<'_>, outcome: &Outcome) {
    if is_new(outcome) {
        let user = match &outcome.ending {
            Ending::Done(user) => user.as_i64(),
            Ending::Refused(..) => None,
        };
        log_event!(info, change, "sign_up", user, "a user signed up");
    }
}

/// A user changed their password.
pub(super) fn password_changed(change: &Change<'_>, outcome: &Outcome) {
    if is_new(outcome) {
        let user = change.viewer().map(|viewer| viewer.user);
        log_event!(info, change, "password_changed", user, "a user changed the password");
    }
}

/// An account was deleted, by its user or an admin.
pub(super) fn account_deleted(change: &Change<'_>, outcome: &Outcome, user: Option<i32>) {
    if is_new(outcome) {
        let by = change.viewer().map(|viewer| viewer.user);
        log_event!(info, change, "account_deleted", user, by, "an account was deleted");
    }
}

/// A user was granted a role, or a role was revoked.
pub(super) fn role_changed(change: &Change<'_>, outcome: &Outcome, user: Option<i32>, role: Role, granted: bool) {
    if is_new(outcome) {
        let (by, role) = (change.viewer().map(|viewer| viewer.user), super::role::write(role));
        match granted {
            true => log_event!(warn, change, "role_granted", user, role, by, "a role was granted"),
            false => log_event!(warn, change, "role_revoked", user, role, by, "a role was revoked"),
        }
    }
}

/// Whether this request changed something.
fn is_new(outcome: &Outcome) -> bool {
    !outcome.repeated && matches!(outcome.ending, Ending::Done(_))
}
