//! The rules of accounts.

use chrono::{Datelike, NaiveDate};
use entity::{sessions, users};
use sea_orm::ActiveValue::{NotSet, Set, Unchanged};
use sea_orm::sea_query::LockType;
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QuerySelect};

use super::inputs::{RevokeSessionInput, SignUpInput, UpdateProfileInput};
use super::session::{self, NewSession};
use super::{Session, User, admin, password};
use crate::error::ApiError;
use crate::kit::form::{Form, LONG_TEXT_LENGTH_MAX, field, line, path, text};
use crate::kit::scalar::Date;
use crate::kit::spelling::{closest, compose, is_invisible, spellings};
use crate::kit::{Constraint, Id, Problems, Rejection, UserError, UserErrorReason, Work, explain};

const USERNAME: Constraint =
    Constraint::unique("users_username_key", "users.username", "input.username", "is taken; choose another");
const EMAIL: Constraint = Constraint::unique(
    "users_email_key",
    "users.email",
    "input.email",
    "already belongs to an account; log in or use another address",
);

/// The database's date may differ from ours.
const BIRTHDAY: Constraint =
    Constraint::check("users_birthday_check", "input.birthday", UserErrorReason::NotInPast, "is not in the past");

const WRONG_PASSWORD: &str = "is wrong";

const USERNAME_LENGTH_MIN: usize = 3;
const USERNAME_LENGTH_MAX: usize = 64;
const EMAIL_LENGTH_MAX: usize = 128;
const FULL_NAME_LENGTH_MAX: usize = 256;
const BIRTH_YEAR_MIN: i32 = 1900;

/// Creates an account and begins its first session. `hash` is missing if the password is invalid.
///
/// # Errors
/// `Invalid` with all errors of the input.
pub async fn sign_up(
    work: &Work,
    input: &SignUpInput,
    hash: Option<&str>,
    session: &NewSession,
) -> Result<Id<User>, Rejection> {
    let SignUpInput { username, email, password, full_name, birthday, bio } = input.clone();
    let mut row = users::ActiveModel::default();
    let mut form = Form::new(work);
    let names = [username.clone(), email.clone()];
    form.must(&mut row.username, field!(username).required(), check_username).await?;
    form.must(&mut row.email, field!(email).required(), check_email).await?;
    let password = field!(password);
    check_password(&mut form.problems, &password.name, &password.value, &[&names[0], &names[1]]);
    form.must(&mut row.fio, field!(full_name).required(), line(FULL_NAME_LENGTH_MAX)).await?;
    form.must(&mut row.birthday, field!(birthday).required(), check_birthday(work.now().date_naive())).await?;
    form.may(&mut row.bio, field!(bio), text(LONG_TEXT_LENGTH_MAX)).await?;
    check_taken(&mut form, &row, None).await?;
    form.check()?;
    row.password = Set(hash.unwrap_or(password::UNUSABLE).to_owned());
    row.created_at = Set(work.now().date_naive());
    row.last_logon = Set(Some(work.now().date_naive()));
    let inserted = users::Entity::insert(row).exec(work.txn()).await.map_err(explain(&[USERNAME, EMAIL, BIRTHDAY]))?;
    session::begin(work, inserted.last_insert_id, session).await?;
    Ok(Id::new(inserted.last_insert_id))
}

/// Adds the errors of a new password, which must not be one of `names`.
pub fn check_password(problems: &mut Problems, field: &str, given: &str, names: &[&str]) {
    password::check_new(problems, &path(field), given, names);
}

/// The user with this username or email address, which must be in lower case.
///
/// # Errors
/// The database failed.
pub async fn find_by_login(db: &impl ConnectionTrait, login: &str) -> Result<Option<users::Model>, DbErr> {
    // PostgreSQL does not accept NUL, and no name contains one.
    if login.contains('\0') {
        return Ok(None);
    }
    let by_email = login.contains('@');
    let column = if by_email { users::Column::Email } else { users::Column::Username };
    let rows = users::Entity::find().filter(column.is_in(spellings(login)));
    let found = rows.filter(users::Column::DeletedAt.is_null()).all(db).await?;
    Ok(closest(login, found, |user| if by_email { &user.email } else { &user.username }))
}

/// A log-in with a correct password.
#[derive(Clone, Copy, Debug)]
pub struct LogIn<'a> {
    /// The user's key.
    pub user: i32,
    /// The stored hash that it was verified with.
    pub verified: &'a str,
    /// The hash to store instead.
    pub rehashed: Option<&'a str>,
}

/// Begins a session, unless the password was changed or the account deleted meanwhile. Returns whether older sessions
/// were removed to make room.
///
/// # Errors
/// `Invalid`.
pub async fn log_in(work: &Work, change: &LogIn<'_>, session: &NewSession) -> Result<(Id<User>, bool), Rejection> {
    let row = lock(work, change.user).await?;
    let Some(row) = row.filter(|row| row.password == change.verified) else {
        return Err(UserError::conflict(
            path("password"),
            UserErrorReason::Changed,
            "was changed by another request; try again",
        )
        .into());
    };
    let today = work.now().date_naive();
    let update = users::ActiveModel {
        id: Unchanged(row.id),
        last_logon: Set(Some(today)),
        password: change.rehashed.map_or(Unchanged(row.password), |hash| Set(hash.to_owned())),
        ..Default::default()
    };
    if change.rehashed.is_some() || row.last_logon != Some(today) {
        users::Entity::update(update).exec_without_returning(work.txn()).await?;
    }
    let ended = session::make_room(work.txn(), change.user).await?;
    session::begin(work, change.user, session).await?;
    Ok((Id::new(change.user), ended))
}

/// An existing account. Its row is locked.
async fn lock(work: &Work, user: i32) -> Result<Option<users::Model>, DbErr> {
    let rows = users::Entity::find_by_id(user).filter(users::Column::DeletedAt.is_null());
    rows.lock(LockType::NoKeyUpdate).one(work.txn()).await
}

/// Ends the viewer's session.
///
/// # Errors
/// The database failed.
pub async fn log_out(work: &Work) -> Result<i32, Rejection> {
    let viewer = work.viewer()?;
    let ended = sessions::Entity::delete_by_id(viewer.session).exec(work.txn()).await?;
    Ok(i32::try_from(ended.rows_affected).unwrap_or(i32::MAX))
}

/// Ends all of the viewer's sessions.
///
/// # Errors
/// The database failed.
pub async fn log_out_everywhere(work: &Work) -> Result<i32, Rejection> {
    let ended = session::end_all(work.txn(), work.viewer()?.user, None).await?;
    Ok(i32::try_from(ended).unwrap_or(i32::MAX))
}

/// Ends one of the viewer's sessions.
///
/// # Errors
/// `Invalid` if the viewer has no such session. The error does not reveal whether another user has it.
pub async fn revoke_session(work: &Work, input: &RevokeSessionInput) -> Result<Id<Session>, Rejection> {
    let id = Id::<Session>::parse(&path("id"), &input.id)?;
    let own = sessions::Entity::delete_by_id(id.key()).filter(sessions::Column::UserId.eq(work.viewer()?.user));
    match own.exec(work.txn()).await?.rows_affected {
        0 => Err(UserError::not_found(path("id"), "session").into()),
        _ => Ok(id),
    }
}

/// Changes the viewer's profile. `verified` is the stored hash that the given password was verified with.
///
/// # Errors
/// `Invalid` with all errors of the input, `Unauthenticated` if the account was deleted meanwhile.
pub async fn update_profile(
    work: &Work,
    input: &UpdateProfileInput,
    verified: Option<&str>,
) -> Result<Id<User>, Rejection> {
    let UpdateProfileInput { username, email, full_name, birthday, bio, current_password } = input.clone();
    let viewer = work.viewer()?;
    let before = lock(work, viewer.user).await?.ok_or(ApiError::UnknownToken)?;
    let mut row = users::ActiveModel::from(before.clone());
    let mut form = Form::new(work);
    form.must(&mut row.username, field!(username), check_username).await?;
    form.must(&mut row.email, field!(email), check_email).await?;
    form.must(&mut row.fio, field!(full_name), line(FULL_NAME_LENGTH_MAX)).await?;
    form.must(&mut row.birthday, field!(birthday), check_birthday(work.now().date_naive())).await?;
    form.may(&mut row.bio, field!(bio), text(LONG_TEXT_LENGTH_MAX)).await?;
    let is_new = matches!(&row.email, Set(email) if *email != before.email);
    let is_verified = verified == Some(before.password.as_str());
    let current_password = field!(current_password);
    if current_password.value.is_value() {
        let reason = UserErrorReason::WrongPassword;
        form.problems.require(is_verified, &path(&current_password.name), reason, WRONG_PASSWORD);
    } else if is_new {
        let field = path(&current_password.name);
        form.problems.bad_input(field, UserErrorReason::Required, "is required to change the email address");
    }
    // Only users who know the password learn whether an address is taken.
    let email = if is_verified { row.email.clone() } else { NotSet };
    check_taken(&mut form, &users::ActiveModel { email, ..row.clone() }, Some(viewer.user)).await?;
    let changes = form.check()?;
    if !changes.is_empty() {
        let updated = users::Entity::update(row).exec_without_returning(work.txn()).await;
        updated.map_err(explain(&[USERNAME, EMAIL, BIRTHDAY]))?;
    }
    Ok(Id::new(viewer.user))
}

/// Checks that the viewer's password hash is still `verified`, and locks their row.
///
/// # Errors
/// `Invalid` if nothing was verified, or the hash has changed since.
pub async fn lock_verified(work: &Work, verified: Option<&str>, field: &str) -> Result<(), Rejection> {
    let row = lock(work, work.viewer()?.user).await?;
    match row {
        Some(row) if verified == Some(row.password.as_str()) => Ok(()),
        _ => Err(UserError::bad_input(path(field), UserErrorReason::WrongPassword, WRONG_PASSWORD).into()),
    }
}

/// Changes the viewer's password to one with this hash, and ends their other sessions.
///
/// # Errors
/// The database failed.
pub async fn change_password(work: &Work, hash: &str) -> Result<Id<User>, Rejection> {
    let viewer = work.viewer()?;
    store_password(work, viewer.user, hash).await?;
    session::end_all(work.txn(), viewer.user, Some(viewer.session)).await?;
    Ok(Id::new(viewer.user))
}

/// Stores the hash of a new password.
///
/// # Errors
/// The database failed.
pub async fn store_password(work: &Work, user: i32, hash: &str) -> Result<(), DbErr> {
    let row = users::ActiveModel { id: Unchanged(user), password: Set(hash.to_owned()), ..Default::default() };
    users::Entity::update(row).exec_without_returning(work.txn()).await.map(drop)
}

/// Deletes the viewer's account.
///
/// # Errors
/// `Invalid` if they are the last admin.
pub async fn delete_account(work: &Work) -> Result<Id<User>, Rejection> {
    let id = Id::new(work.viewer()?.user);
    admin::remove(work, id, None).await?;
    Ok(id)
}

/// Adds an error if another user has the username or the address. The constraints remain authoritative: another request
/// may come first.
async fn check_taken(form: &mut Form<'_>, row: &users::ActiveModel, own: Option<i32>) -> Result<(), DbErr> {
    let mut either = Condition::any();
    if let Set(username) = &row.username {
        either = either.add(users::Column::Username.eq(username));
    }
    if let Set(email) = &row.email {
        either = either.add(users::Column::Email.is_in(spellings(email)));
    }
    if either.is_empty() {
        return Ok(());
    }
    let rows = users::Entity::find().filter(either).select_only();
    let rows = rows.columns([users::Column::Id, users::Column::Username, users::Column::Email]);
    let taken: Vec<(i32, String, String)> = rows.into_tuple().all(form.work.txn()).await?;
    for (_, username, email) in taken.into_iter().filter(|(id, ..)| Some(*id) != own) {
        if row.username == Set(username) {
            form.problems.add(USERNAME.problem());
        }
        if row.email == Set(compose(&email)) {
            form.problems.add(EMAIL.problem());
        }
    }
    Ok(())
}

fn check_username(problems: &mut Problems, field: &str, given: String) -> String {
    let name = given.trim().to_ascii_lowercase();
    let length = name.chars().count();
    let fits = (USERNAME_LENGTH_MIN..=USERNAME_LENGTH_MAX).contains(&length);
    let range = format!("{USERNAME_LENGTH_MIN} to {USERNAME_LENGTH_MAX}");
    let reason = UserErrorReason::of_length(length, USERNAME_LENGTH_MIN, USERNAME_LENGTH_MAX);
    problems.require(fits, field, reason, format!("must be {range} characters long; it has {length}"));
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'));
    let begins = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    let rule = "must contain only Latin letters, digits, `_`, `.` and `-`, and begin with a letter or a digit";
    problems.require(!fits || (plain && begins), field, UserErrorReason::InvalidCharacter, rule);
    name
}

fn check_email(problems: &mut Problems, field: &str, given: String) -> String {
    let address = compose(&given.trim().to_lowercase());
    let length = address.chars().count();
    problems.require(
        length <= EMAIL_LENGTH_MAX,
        field,
        UserErrorReason::of_length(length, 0, EMAIL_LENGTH_MAX),
        format!("must be at most {EMAIL_LENGTH_MAX} characters long; it has {length}"),
    );
    let reason = UserErrorReason::InvalidFormat;
    problems.require(is_address(&address), field, reason, "must be an email address such as anna@example.org");
    address
}

/// Whether the text has the form of an email address. Only a message could show that it exists.
fn is_address(text: &str) -> bool {
    let Some((name, domain)) = text.rsplit_once('@') else { return false };
    let is_seen = |c: char| !c.is_whitespace() && !c.is_control() && !is_invisible(c);
    let is_plain = |c: char| is_seen(c) && !"@<>()[]\\,;:\"".contains(c);
    let label = |label: &str| {
        !label.is_empty()
            && label.chars().all(|c| c.is_alphanumeric() || c == '-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    (1..=64).contains(&name.chars().count())
        && name.chars().all(is_plain)
        && !name.starts_with('.')
        && !name.ends_with('.')
        && domain.contains('.')
        && domain.split('.').all(label)
}

fn check_birthday(today: NaiveDate) -> impl FnOnce(&mut Problems, &str, Date) -> NaiveDate + Send {
    move |problems, field, Date(day)| {
        problems.require(
            day.year() >= BIRTH_YEAR_MIN,
            field,
            UserErrorReason::OutOfRange.within(f64::from(BIRTH_YEAR_MIN), f64::from(today.year())),
            format!("{day} is too long ago; the year must be {BIRTH_YEAR_MIN} or later"),
        );
        problems.require(day < today, field, UserErrorReason::NotInPast, format!("{day} is not in the past"));
        day
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_checked_by_their_form() {
        for good in ["anna@example.org", "a.b+c@sub.example.org", "анна@пример.рф", "o'neill@example.co"] {
            assert!(is_address(good), "{good}");
        }
        for bad in [
            "",
            "anna",
            "@example.org",
            "anna@",
            "anna@example",
            "anna@@example.org",
            "an na@example.org",
            "anna@example..org",
            "anna@-example.org",
            ".anna@example.org",
            "anna@example.org\n",
            "<anna@example.org>",
            "an\0na@example.org",
            "an\u{200b}na@example.org",
        ] {
            assert!(!is_address(bad), "{bad}");
        }
    }

    #[test]
    fn usernames_are_plain_and_in_lower_case() {
        let check = |name: &str| {
            let mut problems = Problems::new();
            (check_username(&mut problems, "input.username", name.to_owned()), problems.count())
        };
        assert_eq!(check(" Anna.P-1_ "), ("anna.p-1_".to_owned(), 0));
        assert_eq!((check(&"a".repeat(3)).1, check(&"a".repeat(64)).1), (0, 0));
        for bad in ["", "ab", &"a".repeat(65), "анна", "an na", "anna@example.org", "_anna", "an\0na", "anna\u{202e}"]
        {
            assert_eq!(check(bad).1, 1, "{bad}");
        }
    }
}
