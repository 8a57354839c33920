//! The operation of a listener, and what it shares with others.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use graphql::{Engine, FieldError, PreparedOperation, SharingKey};
use request::budget::Budget;
use request::error::RequestError;
use request::executor::Executor;
use request::subscribe::{End, Subscription};
use request::viewer::{Caller, Viewer};

use super::event::Topic;
use super::execution::FeedExecution;
use super::hub::Hub;

/// The key of a group: listeners with the same key share their results.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct GroupKey {
    operation: SharingKey,
    /// The viewer, if the results depend on the viewer.
    viewer: Option<Viewer>,
}

/// The root field of a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootField {
    /// The topic.
    pub topic: Topic,
    /// The cursor to start after, in its opaque form.
    pub after: Option<String>,
}

/// Reads the root field of an operation. The feed does not know the root fields and their arguments, except
/// [`AFTER`].
pub type ReadRootField = fn(&Engine, &PreparedOperation) -> Result<RootField, FieldError>;

/// The argument with the cursor to start after.
const AFTER: &str = "after";

/// The operation of a listener.
pub(super) struct ListenerOperation {
    pub(super) key: GroupKey,
    pub(super) root: RootField,
    /// The client to which its work is charged.
    pub(super) client: IpAddr,
    prepared: Arc<PreparedOperation>,
    /// The caller of its executions.
    caller: Caller,
    /// The budget of its request.
    budget: Arc<Budget>,
}

impl ListenerOperation {
    /// Reads a subscription.
    ///
    /// # Errors
    /// An argument of its root field is invalid.
    pub(super) fn read(subscription: Subscription, engine: &Engine, read: ReadRootField) -> Result<Self, End> {
        let Subscription { prepared, caller, budget, .. } = subscription;
        let root = read(engine, &prepared).map_err(|error| End::Refused(vec![request_error(&error)]))?;
        let (client, viewer) = (caller.address, caller.viewer.filter(|_| prepared.is_personal()));
        let caller = match viewer {
            Some(_) => caller,
            // Results depend on a viewer's rights only if the viewer is in the key.
            None => Caller::anonymous(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        };
        let key = GroupKey { operation: prepared.sharing_key(AFTER), viewer };
        Ok(Self { key, root, client, prepared: Arc::new(prepared), caller, budget })
    }

    /// Starts an execution with its own budget, so that one cannot exhaust that of another.
    pub(super) fn execution(&self, executor: &Executor, hub: &Arc<Hub>) -> FeedExecution {
        let (prepared, budget) = (Arc::clone(&self.prepared), self.budget.for_results());
        FeedExecution::new((executor.clone(), Arc::clone(hub)), prepared, self.caller.clone(), budget)
    }
}

fn request_error(error: &FieldError) -> RequestError {
    let extensions = error.extensions.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    RequestError { message: (*error.message).to_owned(), locations: Vec::new(), extensions }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
mod tests {
    use request::viewer::Role;
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::{engine, executor, hub, prepare, read_root_field, subscription};

    const PLAIN: &str = "subscription ($a: Int, $after: String) { happened(about: $a, after: $after) { cursor } }";
    const PERSONAL: &str = "subscription { ...H } fragment H on Subscription { happened { isMine } }";

    fn read(engine: &Engine, (query, variables, user): (&str, Value, Option<i32>)) -> ListenerOperation {
        let mut subscription = subscription(prepare(engine, query, &variables), 1_000);
        subscription.caller.viewer = user.map(|user| Viewer { user, session: 1, role: Role::Member });
        ListenerOperation::read(subscription, engine, read_root_field).unwrap()
    }

    #[test]
    fn the_cursor_does_not_separate_listeners() {
        let engine = engine();
        let one = read(&engine, (PLAIN, json!({ "a": 1, "after": "x" }), None));
        let other = read(&engine, (PLAIN, json!({ "a": 1 }), Some(7)));
        assert!(one.key == other.key);
        assert_eq!((one.root.after.as_deref(), other.root.after), (Some("x"), None));
        assert_eq!(other.caller.viewer, None, "anonymous");
        assert!(one.key != read(&engine, (PLAIN, json!({ "a": 2 }), None)).key);
    }

    #[test]
    fn the_viewer_separates_listeners_only_if_results_depend_on_it() {
        let engine = engine();
        let key = |query, user| read(&engine, (query, json!({}), user)).key;
        assert!(key(PLAIN, Some(1)) == key(PLAIN, Some(2)));
        assert!(key(PERSONAL, Some(1)) != key(PERSONAL, Some(2)));
        assert!(key(PERSONAL, Some(1)) != key(PERSONAL, None));
        assert!(key(PERSONAL, Some(1)) == key(PERSONAL, Some(1)));
    }

    /// A group's founder and its driver may execute at the same time.
    #[test]
    fn executions_share_no_budget() {
        let executor = executor(|_| Ok(String::new()));
        let operation = read(&executor.engine, (PLAIN, json!({}), None));
        let [one, other] = [(); 2].map(|()| operation.execution(&executor, &hub()));
        one.budget().exceed();
        assert_eq!(other.budget().spent(), None);
        assert!(other.budget().count_text("text").is_ok());
    }

    #[test]
    fn an_invalid_argument_is_refused() {
        let engine = engine();
        let subscription = subscription(prepare(&engine, PLAIN, &json!({ "a": -1 })), 1_000);
        match ListenerOperation::read(subscription, &engine, read_root_field) {
            Err(End::Refused(errors)) => {
                assert_eq!((errors[0].code(), &*errors[0].message), ("BAD_USER_INPUT", "about: is negative"));
                assert_eq!(errors[0].extensions["field"], "about");
            }
            _ => panic!("it is not refused"),
        }
    }
}
