//! The library's schema as `crates/graphql` executes it, beside [`schema`](crate::schema), which still serves.
//!
//! Names every domain.

pub mod node;
mod refusal;

use std::sync::Arc;

use async_graphql::{EmptyMutation, EmptySubscription};
use graphql::{
    Abstract, Answer, Context, Cost, Describe, Description, Engine, Limits, Object, Pages, Printed, Refusal, Request,
    Root, SchemaError, Settings,
};

use crate::audit::objects::AuditLog;
use crate::award::objects::{FilmAward, FilmAwardNomination};
use crate::cinema::objects::{Availabilities, Cinema, Cinemas};
use crate::comment::THREAD_SIZE_MAX;
use crate::comment::objects::Comment;
use crate::kit::page::PAGE_SIZE_DEFAULT;
use crate::kit::rows::{All, QueryObject, RequestData};
use crate::kit::scalar::{BigInt, Date, DateTime, Money, UniqueNumber};
use crate::movie::objects::{Movie, Movies};
use crate::person::objects::{Person, Persons};
use crate::publication::objects::{Publication, PublicationCategories, Publications};
use crate::staff::objects::PersonPosition;
use crate::tag::objects::Tags;
use crate::{
    account, audit, award, cinema, comment, http, movie, order, person, publication, rating, search, staff, subject,
    tag,
};

/// The schema of the library.
#[derive(Debug)]
pub struct Library;

impl Describe for Library {
    fn description() -> Description {
        let mut description = Description::new();
        description.interface(
            "Node",
            Abstract::interface(
                "An object that has an id, good for every query that asks for one.",
                vec![("id", "The opaque id, the same in every answer.", "ID!")],
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
            rating::objects::describe,
            subject::objects::describe,
            account::objects::describe,
            search::objects::describe,
            audit::objects::describe,
        ] {
            describe(&mut description);
        }
        description.object(query());
        description
    }
}

fn query() -> Object<Root> {
    let query = node::describe(Object::<Root>::new("What can be asked of the library."))
        .find::<Movie>("movie", "The movie with this id, or null if there is none.")
        .list::<Movies>("movies", "The movies of the catalogue.")
        .find::<Person>("person", "The person with this id, or null if there is none.")
        .list::<Persons>("persons", "The people of the catalogue.")
        .list::<All<PersonPosition>>("personPositions", "What people do in productions.")
        .list::<All<FilmAward>>("filmAwards", "The film awards.")
        .list::<All<FilmAwardNomination>>("filmAwardNominations", "The nominations in which awards are given.")
        .find::<Cinema>("cinema", "The online cinema with this id, or null if there is none.")
        .list::<Cinemas>("cinemas", "The online cinemas.")
        .list::<Availabilities>("availabilities", "The programmes of all online cinemas.")
        .find::<Publication>("publication", "The publication with this id, or null if there is none.")
        .list::<Publications>("publications", "The publications of the library.")
        .list::<PublicationCategories>("publicationCategories", "The kinds of publications.")
        .find::<Comment>("comment", "The comment with this id, or null if there is none.")
        .derive(
            "commentCursor",
            "The position of the comment feed shortly before this request, for `after` of a subscription. To miss no\n\
             comment, query this field first, then the list, then subscribe after this cursor. Comments near the\n\
             cursor can arrive twice: compare their ids.",
            comment::objects::cursor,
        )
        .list::<Tags>("tags", "The tags of movies and publications, in the order of their titles.");
    let query = search::objects::add_to_query(query);
    account::objects::add_to_query(query)
        .list::<AuditLog>("auditLog", "Changes of the catalogue and of roles. Only admins may read them.")
        .personal()
}

/// Rows of the longest list that any field gives: one of `Comment.thread`.
pub const LIST_SIZE_MAX: u64 = THREAD_SIZE_MAX.unsigned_abs() as u64;

/// The sizes of this library's pages.
const PAGES: Pages = Pages { default: PAGE_SIZE_DEFAULT as u64, max: LIST_SIZE_MAX };

/// Bytes that known documents and their plans may take.
const CACHE_BYTES: u64 = 64 << 20;

/// Values of introspection. What tools ask for has about 60,000 by the measure of the plan.
const INTROSPECTION_MAX: u64 = 200_000;

/// Levels of introspection from type to type: tools need one, and one more is for exploring.
const INTROSPECTION_LEVELS_MAX: u64 = 2;

/// The server's limits, as the engine counts them.
fn limits(limits: &http::Limits) -> (Limits, Cost) {
    let size = |limit: u64| usize::try_from(limit).unwrap_or(usize::MAX);
    let documents = Limits {
        tokens: size(limits.limit_tokens),
        nesting: size(limits.limit_nesting),
        aliases: size(limits.limit_aliases),
        directives: size(limits.limit_directives),
        name_length: size(limits.limit_name_bytes),
        list_items: size(limits.limit_list_items),
        input_fields: size(limits.limit_input_fields),
        plan_fields: size(limits.limit_selections),
        input_values: limits.limit_input_values,
        ..Limits::default()
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

/// An engine that executes the library's queries within these limits.
///
/// # Errors
/// The description is no schema.
pub fn engine(limits: &http::Limits, introspection: bool) -> Result<Engine, SchemaError> {
    let answer_bytes = usize::try_from(limits.limit_answer_bytes).unwrap_or(usize::MAX);
    let (limits, cost_max) = self::limits(limits);
    let settings = Settings { limits, pages: PAGES, cost_max, cache_bytes: CACHE_BYTES, answer_bytes, introspection };
    let printed: Printed<Library, _, _> = Printed::new(EmptyMutation, EmptySubscription);
    Engine::described(printed, settings)
}

/// Executes a query with what its request brings along: the whole answer as JSON, also if it is not executed.
pub async fn answer(engine: &Engine, request: &Request<'_>, data: RequestData) -> Vec<u8> {
    match execute(engine, request, data).await {
        Ok(answer) => answer.json,
        Err(refusal) => refusal::errors(&refusal).to_string().into_bytes(),
    }
}

async fn execute(engine: &Engine, request: &Request<'_>, data: RequestData) -> Result<Answer, Refusal> {
    let prepared = engine.prepare(request)?;
    engine.execute(&prepared, &Context::new(Arc::new(data))).await
}
