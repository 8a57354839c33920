//! A small schema with a subscription, for the tests of this crate.

#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, LazyLock};

use graphql::{
    ArgumentTypes, Arguments, Cell, Cells, Column, Context, Cost, Describe, Description, DocumentLimits, Engine,
    EngineSettings, FieldError, Inputs, Object, OperationKind, PageSizes, Part, PreparedOperation, Registry, Request,
    Root, argument,
};
use migration::connect::pool_options;
use request::budget::Budget;
use request::error::ApiError;
use request::executor::{Contexts, Executor};
use request::quota::{Quota, QuotaNames};
use request::subscribe::Subscription;
use request::viewer::Caller;
use serde_json::Value;

use super::event::{Kinds, Mark, Topic};
use super::execution::EventWithCursor;
use super::hub::Hub;
use super::operation::RootField;
use super::source::{FeedOrder, HistoryPage, Source};

/// The topic of the tests.
pub(super) const TOPIC: Topic = Topic { kinds: Kinds::ADDED, about: None };

struct Happened {
    about: Option<i64>,
    /// More concurrent events than this never end.
    at_once: Option<usize>,
    after: Option<String>,
}

impl Arguments for Happened {
    fn describe(_: &mut Registry) -> ArgumentTypes {
        let argument = |name: &str, of| (name.to_owned(), argument(name, "", of));
        ArgumentTypes::from_iter([argument("about", "Int"), argument("after", "String"), argument("atOnce", "Int")])
    }

    fn read(given: Inputs) -> Result<Self, FieldError> {
        let after = given.get("after").and_then(Value::as_str).map(str::to_owned);
        let number = |name| given.get(name).and_then(Value::as_i64);
        let at_once = number("atOnce").and_then(|at_once| at_once.try_into().ok());
        Ok(Self { about: number("about"), at_once, after })
    }
}

struct Happenings;

static DESCRIPTION: LazyLock<Arc<Description>> = LazyLock::new(|| {
    let mut description = Description::new();
    description.object(Object::<Root>::new("").value("nothing", "", |_| 0));
    description.object(Object::<EventWithCursor>::new("").resolve_by::<Happened>(
        "happened",
        "",
        |_| "Happening!".to_owned(),
        |call| {
            Box::pin(async move {
                if call.arguments.at_once.is_some_and(|at_once| call.rows.len() > at_once) {
                    std::future::pending::<()>().await;
                }
                let cells = (0..graphql::index(call.rows.len())).map(|row| Cell::Object { part: 0, row }).collect();
                let parts = vec![Part { of: "Happening".into(), rows: call.rows.clone() }];
                Column::Cells(Cells { cells, parts, ..Cells::default() })
            })
        },
    ));
    let happening = Object::<EventWithCursor>::new("")
        .value("cursor", "", |sent| Arc::clone(&sent.cursor))
        .value("isMine", "", |_| true)
        .personal()
        .derive("text", "", text);
    description.object_named("Happening".into(), happening);
    Arc::new(description)
});

impl Describe for Happenings {
    fn description() -> Arc<Description> {
        Arc::clone(&DESCRIPTION)
    }
}

/// The text of an event, or an error.
pub(super) type Text = Box<dyn Fn(&EventWithCursor) -> Result<String, FieldError> + Send + Sync>;

fn text(context: &Context, sent: &EventWithCursor) -> Result<String, FieldError> {
    context.data::<Text>()(sent)
}

struct Texts(Arc<Text>);

impl Contexts for Texts {
    fn context(&self, _: OperationKind, _: Caller, _: Arc<Budget>) -> Context {
        Context::new(Arc::<Text>::clone(&self.0))
    }
}

/// Executes operations of the schema, with these texts.
pub(super) fn executor(
    text: impl Fn(&EventWithCursor) -> Result<String, FieldError> + Send + Sync + 'static,
) -> Executor {
    Executor { engine: Arc::new(engine()), contexts: Arc::new(Texts(Arc::new(Box::new(text)))) }
}

/// An engine for the schema.
pub(super) fn engine() -> Engine {
    let most = u64::MAX;
    let cost_max = Cost {
        depth: most,
        root_fields: most,
        fields: most,
        values: most,
        introspection: most,
        introspection_levels: most,
    };
    let pages = PageSizes { default: 20, max: 100 };
    let settings = EngineSettings {
        limits: DocumentLimits::default(),
        pages,
        cost_max,
        cache_bytes: 1 << 20,
        introspection: false,
    };
    Engine::described::<Happenings>(settings).unwrap()
}

pub(super) fn prepare(engine: &Engine, query: &str, variables: &Value) -> PreparedOperation {
    engine.prepare(&Request { query, operation_name: None, variables: variables.as_object().unwrap() }).unwrap()
}

/// The client of [`subscription`].
pub(super) const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A subscription whose results take at most this number of bytes.
pub(super) fn subscription(prepared: PreparedOperation, bytes_max: u64) -> Subscription {
    let names = QuotaNames { limit: "all", limit_per_client: "own", held: "are held", retry_after_s: 1 };
    let budget = Budget::new(bytes_max, Quota::new(names, u64::MAX, u64::MAX), CLIENT);
    Subscription { prepared, caller: Caller::anonymous(CLIENT), budget, resume_from: None }
}

/// A hub of a feed without events. It never connects to a database.
pub(super) fn hub() -> Arc<Hub> {
    let source = Source::Sqlite(pool_options().connect_lazy("sqlite::memory:").unwrap());
    let (epoch, order, edge) = ("abcdefabcdef".into(), FeedOrder::Rows, Mark::of_row(0, 0, 0));
    let page = HistoryPage { epoch, order, intact: true, waiting: None, edge, events: Vec::new() };
    Arc::new(Hub::new(source, page))
}

pub(super) fn read_root_field(engine: &Engine, prepared: &PreparedOperation) -> Result<RootField, FieldError> {
    let Happened { about, after, .. } = &*engine.root_arguments(prepared)?;
    match about {
        Some(about) if *about < 0 => Err(ApiError::bad_input("about", "is negative").into()),
        _ => Ok(RootField { topic: TOPIC, after: after.clone() }),
    }
}
