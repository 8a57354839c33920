//! The one GraphQL schema: names every domain and puts into the context what resolvers need.

use std::any::TypeId;
use std::sync::Arc;

use async_graphql::dataloader::DataLoader;
use async_graphql::futures_util::stream::{self, BoxStream, StreamExt};
use async_graphql::parser::types::OperationType;
use async_graphql::{Data, Executor, MergedObject, Request, Response, ValidationMode};

use crate::account::{AccountMutation, AccountQuery, Accounts};
use crate::answer::Budget;
use crate::audit::AuditQuery;
use crate::award::{AwardQuery, FilmAwardMutation, MovieAwardMutation, NominationMutation};
use crate::cinema::{AvailabilityMutation, CinemaMutation, CinemaQuery};
use crate::comment::{CommentMutation, CommentQuery, CommentSubscription};
use crate::complete::{Asked, Completer};
use crate::db::Db;
use crate::error;
use crate::feed::Feed;
use crate::http;
use crate::kit::batch;
use crate::kit::kept::Kept;
use crate::kit::load::{Reader, new_loader};
use crate::kit::mutate::WriteRates;
use crate::movie::{MovieMutation, MovieQuery};
use crate::node::NodeQuery;
use crate::order::OrderMutation;
use crate::person::{PersonMutation, PersonQuery};
use crate::policy::Guarded;
use crate::publication::{CategoryMutation, PublicationMutation, PublicationQuery};
use crate::rating::RatingMutation;
use crate::search::SearchQuery;
use crate::staff::{PositionMutation, StaffMutation, StaffQuery};
use crate::tag::{TagMutation, TagQuery};

/// What can be asked of the library.
#[derive(Debug, Default, MergedObject)]
pub struct Query(
    NodeQuery,
    MovieQuery,
    PersonQuery,
    StaffQuery,
    AwardQuery,
    CinemaQuery,
    PublicationQuery,
    CommentQuery,
    TagQuery,
    SearchQuery,
    AccountQuery,
    AuditQuery,
);

/// What can be changed. Each takes one `input`, and gives what it has changed beside `errors`: what
/// is wrong with the input. What is no fault of the input, such as a missing right, is a top-level
/// error.
#[derive(Debug, Default, MergedObject)]
pub struct Mutation(
    AccountMutation,
    PublicationMutation,
    CommentMutation,
    RatingMutation,
    OrderMutation,
    MovieMutation,
    PersonMutation,
    StaffMutation,
    PositionMutation,
    MovieAwardMutation,
    FilmAwardMutation,
    NominationMutation,
    CinemaMutation,
    AvailabilityMutation,
    TagMutation,
    CategoryMutation,
);

/// What can be listened to.
pub type Subscription = CommentSubscription;

/// Fields whose values depend on who asks: a subscription with one of them is not shared with others
/// than the same user's. Elsewhere subscriptions do not know who asks, so that what is forgotten here
/// is what anybody may see.
pub const PERSONAL: &[&str] =
    &["auditLog", "birthday", "canEdit", "email", "isCurrent", "orders", "role", "sessions", "viewer", "viewerRating"];

/// Fields of long texts, and what each counts as: a value for each 320 bytes of a long one, which is what
/// the default limits of values and of bytes make of a value.
pub const COSTS: http::Costs = &[
    ("Comment", "text", 4),
    ("FilmAward", "description", 4),
    ("FilmAwardNomination", "description", 4),
    ("Movie", "plot", 8),
    ("Person", "bio", 8),
    ("Publication", "excerpt", 4),
    ("Publication", "text", 200),
    ("SearchHit", "snippet", 20),
    ("User", "bio", 8),
];

type Schema = async_graphql::Schema<Query, Guarded<Mutation>, Subscription>;

/// Executes operations, with their reads batched. Cloning is cheap.
#[derive(Clone)]
pub struct Engine {
    schema: Schema,
    /// The same for documents that are known to be valid.
    validated: Schema,
    completer: Arc<Completer>,
    fresh: Fresh,
}

/// What mutations and subscriptions read from: a replica would not show yet what was changed.
#[derive(Clone)]
struct Fresh {
    db: Db,
    loader: Arc<DataLoader<Reader>>,
}

impl Executor for Engine {
    async fn execute(&self, mut request: Request) -> Response {
        // The document is kept in the request: it is parsed once.
        let asked = match Asked::of(&mut request) {
            Ok(asked) => asked,
            Err(syntax) => return error::answer_syntax_error(syntax),
        };
        if asked.kind() == Some(OperationType::Mutation) {
            if let Some(name) = asked.repeated_root_field() {
                return error::refuse_repeated(name);
            }
            request = request.data(self.fresh.db.clone()).data(Arc::clone(&self.fresh.loader));
        }
        let schema = if asked.is_valid() { &self.validated } else { &self.schema };
        let budget = budget_of(&request);
        // In a box: its state is some tens of kilobytes, which each layer around it would copy.
        let work = batch::run(Box::pin(schema.execute(request)));
        let mut response = match budget {
            Some(budget) if asked.kind() == Some(OperationType::Query) => budget.run(work).await,
            _ => work.await,
        };
        asked.note_validity(&response);
        self.completer.complete(&asked, &mut response);
        error::add_codes(&asked, &mut response);
        response
    }

    /// A query or a mutation is a stream of one answer.
    fn execute_stream(&self, mut request: Request, session_data: Option<Arc<Data>>) -> BoxStream<'static, Response> {
        let engine = self.clone();
        let asked = match Asked::of(&mut request) {
            Ok(asked) => asked,
            Err(syntax) => return Box::pin(stream::iter([error::answer_syntax_error(syntax)])),
        };
        if asked.kind() != Some(OperationType::Subscription) {
            return Box::pin(stream::once(async move { Executor::execute(&engine, request).await }));
        }
        let budget = budget_of(&request);
        let request = request.data(self.fresh.db.clone()).data(Arc::clone(&self.fresh.loader));
        let outcomes = Executor::execute_stream(&self.schema, request, session_data);
        let state = (outcomes, asked, Arc::clone(&self.completer), budget);
        Box::pin(stream::unfold(state, |(mut outcomes, asked, completer, budget)| async {
            if let Some(budget) = &budget {
                budget.begin_anew();
            }
            let mut response = batch::run(outcomes.next()).await?;
            completer.complete(&asked, &mut response);
            error::add_codes(&asked, &mut response);
            Some((response, (outcomes, asked, completer, budget)))
        }))
    }
}

/// What the answer may take, if the transport has said so.
fn budget_of(request: &Request) -> Option<Arc<Budget>> {
    request.data.get(&TypeId::of::<Arc<Budget>>())?.downcast_ref().cloned()
}

/// Nesting of selection sets that async-graphql refuses by itself: above what the transport lets
/// pass, which says it better.
const RECURSION_MAX: usize = 64;

/// The schema over open databases.
#[expect(clippy::expect_used, reason = "async-graphql parses the SDL that it has written")]
pub fn build(db: Db, feed: &Feed, accounts: &Accounts, writes: &WriteRates, introspection: bool) -> Engine {
    let kept = Arc::new(Kept::default());
    let loader = Arc::new(new_loader(db.read.clone(), Some(Arc::clone(&kept))));
    let fresh = db.fresh();
    let fresh = Fresh { loader: Arc::new(new_loader(fresh.read.clone(), None)), db: fresh };
    let open = || {
        let builder = describe()
            .data(db.clone())
            .data(Arc::clone(&loader))
            .data(Arc::clone(&kept))
            .data(Arc::clone(&feed.hub))
            .data(feed.wake.clone())
            .data(accounts.clone())
            .data(writes.clone())
            .limit_recursive_depth(RECURSION_MAX);
        if introspection { builder } else { builder.disable_introspection().disable_suggestions() }
    };
    let (schema, validated) = (open().finish(), open().validation_mode(ValidationMode::Fast).finish());
    let completer = Completer::new(&schema.sdl()).expect("the schema's own SDL is valid");
    Engine { schema, validated, completer: Arc::new(completer), fresh }
}

/// The schema definition in SDL, as committed in `schema.graphql`.
pub fn export() -> String {
    describe().finish().sdl()
}

fn describe() -> async_graphql::SchemaBuilder<Query, Guarded<Mutation>, Subscription> {
    Schema::build(Query::default(), Guarded::default(), Subscription::default())
}
