//! The library's schema, and the engine that executes it.
//!
//! Names every domain.

mod contexts;
#[cfg(test)]
mod example;

use std::sync::{Arc, LazyLock};

use axum::http::Extensions;
use graphql::{
    Abstract, Batches, Cost, Describe, Description, DocumentLimits, Engine, EngineSettings, Introspection, Object,
    PageSizes, Root, SchemaError,
};

pub use self::contexts::DomainContexts;
use crate::account::{AccountServices, Sessions};
use crate::audit::objects::AuditLog;
use crate::award::objects::{FilmAward, FilmAwardNomination};
use crate::cinema::objects::{Availabilities, Cinema, Cinemas};
use crate::comment::THREAD_SIZE_MAX;
use crate::comment::objects::{Comment, CommentCursor, Comments};
use crate::db::{Db, ReadPool};
use crate::feed::Feed;
use crate::kit::changes::{WriteRates, WriteServices};
use crate::kit::page::PAGE_SIZE_DEFAULT;
use crate::kit::registry_cache::RegistryCache;
use crate::kit::rows::{All, QueryObject, Services};
use crate::kit::scalar::{BigInt, Date, DateTime, Money, UniqueNumber};
use crate::movie::objects::{Movie, Movies};
use crate::person::objects::{Person, Persons};
use crate::policy::Rule;
use crate::publication::objects::{Publication, PublicationCategories, Publications};
use crate::staff::objects::PersonPosition;
use crate::tag::objects::Tags;
use crate::{
    account, audit, award, cinema, comment, http, movie, node, order, person, publication, rating, search, staff,
    subject, tag,
};

/// The schema of the library.
#[derive(Debug)]
pub struct Library;

static DESCRIPTION: LazyLock<Arc<Description>> = LazyLock::new(|| Arc::new(Library::describe()));

impl Describe for Library {
    fn description() -> Arc<Description> {
        Arc::clone(&DESCRIPTION)
    }
}

impl Library {
    fn describe() -> Description {
        let mut description = Description::new();
        description.interface(
            "Node",
            Abstract::interface(
                "An object with a globally unique id.",
                vec![("id", "An opaque id. It is globally unique and never changes.", "ID!")],
            ),
        );
        description.scalar::<BigInt>();
        description.scalar::<Date>();
        description.scalar::<DateTime>();
        description.scalar::<Money>();
        description.scalar::<UniqueNumber>();
        for describe in [
            movie::objects::describe,
            person::objects::describe,
            staff::objects::describe,
            award::objects::describe,
            cinema::objects::describe,
            order::objects::describe,
            tag::objects::describe,
            publication::objects::describe,
            comment::objects::describe,
            comment::subscription::describe,
            rating::objects::describe,
            subject::objects::describe,
            account::objects::describe,
            search::objects::describe,
            audit::objects::describe,
        ] {
            describe(&mut description);
        }
        description.object(query());
        description.object_named("Mutation".into(), mutation());
        description
    }
}

fn query() -> Object<Root> {
    let query = node::describe(Object::<Root>::new("The queries."))
        .find::<Movie>("movie", "The movie with this id. Null if it does not exist.")
        .list::<Movies>("movies", "The movies in the catalogue.")
        .find::<Person>("person", "The person with this id. Null if it does not exist.")
        .list::<Persons>("persons", "The people in the catalogue.")
        .list::<All<PersonPosition>>("personPositions", "The positions that people can hold in a production.")
        .list::<All<FilmAward>>("filmAwards", "The film awards.")
        .list::<All<FilmAwardNomination>>("filmAwardNominations", "The nominations for film awards.")
        .find::<Cinema>("cinema", "The online cinema with this id. Null if it does not exist.")
        .list::<Cinemas>("cinemas", "The online cinemas.")
        .list::<Availabilities>("availabilities", "The movies that online cinemas offer.")
        .find::<Publication>("publication", "The publication with this id. Null if it does not exist.")
        .list::<Publications>("publications", "The publications.")
        .list::<PublicationCategories>("publicationCategories", "The categories of publications.")
        .find::<Comment>("comment", "The comment with this id. Null if it does not exist.")
        .list::<Comments>("comments", "The comments on all movies and publications, including replies.")
        .batch::<CommentCursor>(
            CommentCursor::FIELD,
            "The current position of the comment feed. Pass it as `after` to a subscription. Select it in the same \
             query as a list of comments. Both are then read at the same moment, and the subscription sends exactly \
             the events that the list does not include. Selected alone, it is the position one second ago. In that \
             case, query it before the list and compare ids: recent comments can arrive twice.",
        )
        .list::<Tags>("tags", "The tags of movies and publications, sorted by title.");
    let query = search::objects::add_to_query(query);
    account::objects::add_to_query(query)
        .list::<AuditLog>("auditLog", "The changes to the catalogue and to roles. For admins.")
        .personal()
}

/// The root of mutations.
fn mutation() -> Object<Root> {
    let domains = [
        account::mutations::add_to_mutation,
        publication::mutations::add_to_mutation,
        comment::mutations::add_to_mutation,
        rating::mutations::add_to_mutation,
        order::mutations::add_to_mutation,
        movie::mutations::add_to_mutation,
        person::mutations::add_to_mutation,
        staff::mutations::add_to_mutation,
        award::mutations::add_to_mutation,
        cinema::mutations::add_to_mutation,
        tag::mutations::add_to_mutation,
        publication::mutations::add_categories_to_mutation,
    ];
    let mutation = Object::new(
        "The mutations. Each mutation takes one `input`. Invalid input is not a GraphQL error: the payload's \
         `errors` lists it.",
    );
    domains.into_iter().fold(mutation, |mutation, add| add(mutation))
}

/// The schema definition in SDL, as committed in `schema.graphql`.
pub fn sdl() -> String {
    Introspection::<Library>::new().sdl()
}

/// The mutations and their rules.
pub fn rules() -> Vec<(&'static str, Rule)> {
    let rules = DESCRIPTION.extensions::<Rule>("Mutation");
    rules.into_iter().map(|(mutation, rule)| (mutation, *rule)).collect()
}

/// The maximum number of rows in a list of any field: that of `Comment.thread`.
pub const LIST_SIZE_MAX: u64 = THREAD_SIZE_MAX.unsigned_abs() as u64;

/// The sizes of this library's pages.
const PAGES: PageSizes = PageSizes { default: PAGE_SIZE_DEFAULT as u64, max: LIST_SIZE_MAX };

/// The limit of values of introspection. The query of common tools has about 60,000, as the plan counts them.
const INTROSPECTION_MAX: u64 = 200_000;

/// The limit of levels of introspection from type to type: tools need one, and another one is for exploring.
const INTROSPECTION_LEVELS_MAX: u64 = 2;

/// The server's limits in the engine's types.
fn limits(limits: &http::Limits) -> (DocumentLimits, Cost) {
    let size = |limit: u64| usize::try_from(limit).unwrap_or(usize::MAX);
    let documents = DocumentLimits {
        tokens: size(limits.limit_tokens),
        nesting: size(limits.limit_nesting),
        aliases: size(limits.limit_aliases),
        directives: size(limits.limit_directives),
        name_length: size(limits.limit_name_bytes),
        list_items: size(limits.limit_list_items),
        input_fields: size(limits.limit_input_fields),
        plan_fields: size(limits.limit_selections),
        input_values: limits.limit_input_values,
        ..DocumentLimits::default()
    };
    let costs = Cost {
        depth: limits.limit_depth,
        root_fields: limits.limit_root_fields,
        fields: limits.limit_selections,
        values: limits.limit_complexity,
        introspection: INTROSPECTION_MAX,
        introspection_levels: INTROSPECTION_LEVELS_MAX,
    };
    (documents, costs)
}

/// An engine that executes operations of the library's schema within these limits.
///
/// # Errors
/// The description is not a valid schema.
pub fn engine(limits: &http::Limits, introspection: bool) -> Result<Engine, SchemaError> {
    let cache_bytes = limits.document_cache_bytes;
    let (limits, cost_max) = self::limits(limits);
    let settings = EngineSettings { limits, pages: PAGES, cost_max, cache_bytes, introspection };
    Engine::described::<Library>(settings)
}

/// What the engine reads from and writes to.
pub struct Backends {
    /// For queries.
    pub queries: Services,
    /// For queries that must see their session's changes. Cached rows may be older.
    pub fresh_queries: Services,
    /// For mutations and subscriptions, and for queries while replicas lag: reads see every committed change.
    pub changes: Services,
    /// Has the positions that queries must see.
    pub db: Db,
}

impl std::fmt::Debug for Backends {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Backends").finish_non_exhaustive()
    }
}

/// The services over open databases.
pub fn backends(db: &Db, feed: &Feed, accounts: &AccountServices, rates: &WriteRates) -> Backends {
    let registry_cache = Arc::new(RegistryCache::default());
    let writes = write_services(db, feed, accounts, rates, Arc::clone(&registry_cache));
    let services = |db: &ReadPool, registry_cache| Services {
        db: db.clone(),
        registry_cache,
        batches: Batches::new(),
        texts: Arc::default(),
        writes: Arc::clone(&writes),
    };
    Backends {
        queries: services(&db.read, Some(registry_cache)),
        fresh_queries: services(&db.fresh_replicas(), None),
        changes: services(&writes.db.read, None),
        db: db.clone(),
    }
}

/// What mutations need, with the services of all domains.
fn write_services(
    db: &Db,
    feed: &Feed,
    accounts: &AccountServices,
    rates: &WriteRates,
    registry_cache: Arc<RegistryCache>,
) -> Arc<WriteServices> {
    let mut domains = Extensions::new();
    domains.insert(accounts.clone());
    domains.insert(Arc::clone(&feed.hub));
    let sessions = Arc::new(Sessions::new(db, accounts));
    let (rates, wake) = (rates.clone(), feed.wake.clone());
    Arc::new(WriteServices { db: db.fresh(), rates, registry_cache, wake, sessions, domains })
}
