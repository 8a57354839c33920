//! What viewers do with their accounts.

use async_graphql::{Context, Object, SimpleObject};

use super::service;
use crate::error::ApiResult;
use crate::kit::mutate::{Payload, mutate};
use crate::kit::{Answer, UserError};

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

#[Object]
impl AccountMutation {
    /// Ends the session whose token came with the request.
    async fn log_out(&self, ctx: &Context<'_>) -> Answer<LogOutPayload> {
        mutate(ctx, async move |work| service::log_out(work).await).await
    }

    /// Ends all of the viewer's sessions, this one too.
    async fn log_out_everywhere(&self, ctx: &Context<'_>) -> Answer<LogOutPayload> {
        mutate(ctx, async move |work| service::log_out_everywhere(work).await).await
    }
}
