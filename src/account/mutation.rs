//! What people do with their accounts, and admins with those of others.

use async_graphql::{Context, ID, Object, SimpleObject};

use super::credentials::{self, Accounts};
use super::inputs::{
    ChangePasswordInput, DeleteAccountInput, DeleteUserInput, GrantRoleInput, LogInInput, RevokeRoleInput,
    RevokeSessionInput, SignUpInput, UpdateProfileInput,
};
use super::session::{NewSession, Token};
use super::types::{Session, User};
use super::{admin, service};
use crate::error::ApiResult;
use crate::kit::mutate::{Outcome, Payload, mutate, mutate_keyed, payload};
use crate::kit::{Answer, ContextExt, Deleted, Id, InPlace, UserError};

/// See the crate's `schema`.
#[derive(Debug, Default)]
pub struct AccountMutation;

/// What `logOut` and `logOutEverywhere` give.
#[derive(Debug, SimpleObject)]
pub struct LogOutPayload {
    /// How many sessions have ended.
    ended_sessions: i32,
    /// Why nothing has changed; empty when all is well.
    errors: Vec<UserError>,
}

impl Payload for LogOutPayload {
    type Outcome = i32;

    async fn load(_: &Context<'_>, ended_sessions: i32) -> ApiResult<Self> {
        Ok(Self { ended_sessions, errors: Vec::new() })
    }

    fn refuse(errors: Vec<UserError>, _: Option<Self>) -> Self {
        Self { ended_sessions: 0, errors }
    }
}

/// Who has signed up.
#[derive(Debug, SimpleObject)]
pub struct SignUpPayload {
    /// What to send as `Authorization: Bearer TOKEN`; it is shown this once. Null beside errors, and in the answer to a
    /// request that was repeated with its idempotency key: log in then.
    token: Option<String>,
    /// The new user.
    user: Option<InPlace<User>>,
    /// Why there is no account; empty when all is well.
    errors: Vec<UserError>,
}

/// Who has logged in.
#[derive(Debug, SimpleObject)]
pub struct LogInPayload {
    /// What to send as `Authorization: Bearer TOKEN`; it is shown this once. Null beside errors.
    token: Option<String>,
    /// The user who has logged in.
    user: Option<InPlace<User>>,
    /// Why nobody is logged in; empty when all is well.
    errors: Vec<UserError>,
}

/// A user, read after a change.
struct Shown {
    user: Option<InPlace<User>>,
    errors: Vec<UserError>,
}

impl Payload for Shown {
    type Outcome = Id<User>;

    async fn load(ctx: &Context<'_>, id: Id<User>) -> ApiResult<Self> {
        Ok(Self { user: ctx.find(id).await?.map(InPlace), errors: Vec::new() })
    }

    fn refuse(errors: Vec<UserError>, _: Option<Self>) -> Self {
        Self { user: None, errors }
    }
}

/// The token only for whoever has begun the session just now.
async fn show(ctx: &Context<'_>, outcome: Outcome, token: Token) -> ApiResult<(Option<String>, Shown)> {
    let is_new = !outcome.repeated;
    let shown: Shown = outcome.load(ctx).await?;
    Ok(((is_new && shown.errors.is_empty()).then(|| token.reveal()), shown))
}

/// Tells whatever a user has open that their rights may have changed.
fn tell(ctx: &Context<'_>, user: &ID) {
    if let Ok(user) = Id::<User>::parse("", user) {
        Accounts::of(ctx).session_changes.tell(user.key());
    }
}

payload!(RevokeSessionPayload, "What was ended.", revoked_id: Deleted<Session>, "The id of the session.");
payload!(UpdateProfilePayload, "What was changed.", user: InPlace<User>, "The user as they are now.");
payload!(ChangePasswordPayload, "Whose password was changed.", user: InPlace<User>, "The user.");
payload!(DeleteAccountPayload, "What was deleted.", deleted_id: Deleted<User>, "The id of the user who is no more.");
payload!(GrantRolePayload, "Who was given a role.", user: InPlace<User>, "The user as they are now.");
payload!(RevokeRolePayload, "Who has lost a role.", user: InPlace<User>, "The user as they are now.");
payload!(DeleteUserPayload, "What was deleted.", deleted_id: Deleted<User>, "The id of the user who is no more.");

#[Object]
impl AccountMutation {
    /// Makes an account and logs in. For everybody.
    async fn sign_up(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Who wants an account.")] input: SignUpInput,
    ) -> Answer<SignUpPayload> {
        let accounts = Accounts::of(ctx);
        accounts.check_sign_up(ctx)?;
        let (hash, repeat) = accounts.prepare_sign_up(ctx, &input).await?;
        let token = Token::random();
        let new = NewSession::of(ctx, &token);
        let outcome =
            mutate_keyed(ctx, repeat, async move |work| service::sign_up(work, &input, hash.as_deref(), &new).await)
                .await;
        accounts.count_sign_up(ctx, &outcome);
        let outcome = outcome?;
        let (token, Shown { user, errors }) = show(ctx, outcome, token).await?;
        Ok(Some(SignUpPayload { token, user, errors }))
    }

    /// Logs in with a username or an e-mail address. The answer is the same whether the password is wrong or
    /// there is no such account; after several failures it is `RATE_LIMITED` for a while. For everybody.
    async fn log_in(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Who logs in.")] input: LogInInput,
    ) -> Answer<LogInPayload> {
        let (outcome, token) = credentials::log_in(ctx, &input).await?;
        let (token, Shown { user, errors }) = show(ctx, outcome, token).await?;
        Ok(Some(LogInPayload { token, user, errors }))
    }

    /// Ends the session whose token came with the request. For whoever is signed in.
    async fn log_out(&self, ctx: &Context<'_>) -> Answer<LogOutPayload> {
        let answer = mutate(ctx, async |work| service::log_out(work).await).await;
        Accounts::tell_changed(ctx);
        answer
    }

    /// Ends all of the viewer's sessions, this one too. For whoever is signed in.
    async fn log_out_everywhere(&self, ctx: &Context<'_>) -> Answer<LogOutPayload> {
        let answer = mutate(ctx, async |work| service::log_out_everywhere(work).await).await;
        Accounts::tell_changed(ctx);
        answer
    }

    /// Ends one of the viewer's sessions. For whoever is signed in.
    async fn revoke_session(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which session to end.")] input: RevokeSessionInput,
    ) -> Answer<RevokeSessionPayload> {
        let answer = mutate(ctx, async move |work| service::revoke_session(work, &input).await).await;
        Accounts::tell_changed(ctx);
        answer
    }

    /// Changes the viewer's own account; to change the e-mail address takes the password. For whoever is signed in.
    async fn update_profile(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to change.")] input: UpdateProfileInput,
    ) -> Answer<UpdateProfilePayload> {
        credentials::update_profile(ctx, input).await?.load(ctx).await.map(Some)
    }

    /// Changes the viewer's password, and ends all their sessions but this one. For whoever is signed
    /// in.
    async fn change_password(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The old password and the new one.")] input: ChangePasswordInput,
    ) -> Answer<ChangePasswordPayload> {
        let outcome = credentials::change_password(ctx, &input).await?;
        Accounts::tell_changed(ctx);
        outcome.load(ctx).await.map(Some)
    }

    /// Deletes the viewer's account for good: the profile is gone, all sessions end. What they have
    /// written stays; comments have no author then. For whoever is signed in.
    async fn delete_account(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The viewer's password.")] input: DeleteAccountInput,
    ) -> Answer<DeleteAccountPayload> {
        let outcome = credentials::delete_account(ctx, &input).await?;
        Accounts::tell_changed(ctx);
        outcome.load(ctx).await.map(Some)
    }

    /// Gives a user a role, at once. For admins.
    async fn grant_role(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Who gets which role.")] input: GrantRoleInput,
    ) -> Answer<GrantRolePayload> {
        let user = input.user_id.clone();
        let answer = mutate(ctx, async move |work| {
            let id = Id::parse("input.userId", &input.user_id)?;
            admin::grant(work, id, input.role).await
        })
        .await;
        tell(ctx, &user);
        answer
    }

    /// Takes a role from a user, at once. The last admin stays. For admins.
    async fn revoke_role(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Who loses which role.")] input: RevokeRoleInput,
    ) -> Answer<RevokeRolePayload> {
        let user = input.user_id.clone();
        let answer = mutate(ctx, async move |work| {
            let id = Id::parse("input.userId", &input.user_id)?;
            admin::revoke(work, id, input.role).await
        })
        .await;
        tell(ctx, &user);
        answer
    }

    /// Deletes somebody's account as `deleteAccount` does. The last admin stays. For admins.
    async fn delete_user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whose account to delete.")] input: DeleteUserInput,
    ) -> Answer<DeleteUserPayload> {
        let user = input.id.clone();
        let answer =
            mutate(ctx, async move |work| admin::delete_user(work, Id::parse("input.id", &input.id)?).await).await;
        tell(ctx, &user);
        answer
    }
}
