//! Executes a group's operation for its events.

use std::sync::Arc;

use request::subscribe::End;
use telemetry::metrics;
use tokio::sync::broadcast;

use super::backlog::Backlog;
use super::flow::Flow;
use super::{Delivery, Group, GroupEnd, Groups};
use crate::event::StopReason;
use crate::execution::FeedExecution;
use crate::follower::Follower;

/// Executes a group's operation until the group has no listeners or the feed ends.
pub(super) struct Driver {
    pub(super) groups: Arc<Groups>,
    pub(super) group: Arc<Group>,
    pub(super) results: broadcast::Sender<Arc<Delivery>>,
}

impl Driver {
    pub(super) async fn run(self, follower: Follower, execution: FeedExecution) {
        tokio::select! {
            end = self.drive(follower, execution) => self.group.lock().ended = Some(end),
            () = self.group.deserted.notified() => {}
        }
    }

    async fn drive(&self, mut follower: Follower, mut execution: FeedExecution) -> GroupEnd {
        let (mut flow, mut backlog) = (Flow::default(), Backlog::default());
        let (turns, budget) = (self.groups.turns(), Arc::clone(execution.budget()));
        let take = |bytes| self.group.take(&budget, bytes);
        loop {
            let mut events = match follower.next(execution.batch_size()).await {
                Ok(events) => events,
                Err(stop) => return GroupEnd::Stop(stop),
            };
            while !events.is_empty() {
                let client = self.group.client(turns);
                let room = |bytes| {
                    take(bytes).or_else(|_| {
                        backlog.make_room();
                        take(bytes)
                    })
                };
                let outcomes = execution.run((&mut events, follower.scope()), (turns, client), room).await;
                let outcomes = match outcomes {
                    Ok(outcomes) => outcomes,
                    Err(End::Refused(errors)) => return GroupEnd::Refused(errors),
                    Err(_) => return GroupEnd::Stop(StopReason::Stopping),
                };
                for outcome in outcomes {
                    self.group.remember(&self.groups, &outcome);
                    let delivery = flow.send((&self.group, &self.results), outcome).await;
                    backlog.push(delivery, take);
                }
            }
        }
    }
}

/// However the driver ends, also by a panic: nobody waits for a group without a driver.
impl Drop for Driver {
    fn drop(&mut self) {
        self.groups.remove(&self.group);
        self.group.lock().results = None;
        metrics::feed().groups.dec();
    }
}
