//! Times the engine's steps for query (b) of the benchmarks, over rows in memory:
//! `cargo run --example movies -p kinoteka-graphql`.

#![expect(clippy::print_stdout, reason = "an example prints what it measured")]

use std::error::Error;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_graphql::registry::Registry;
use async_graphql::{ID, InputObject};
use graphql::input::Inputs;
use graphql::{
    Call, Cell, Cells, Column, Context, Cost, Description, DocumentLimits, Engine, EngineRefusal, EngineSettings,
    NoArguments, Object, PageSizes, Part, Request, Resolve, Root, Row, Rows, Schema, TypeName, parse, validate,
};

const QUERY: &str = "query Movies($after: String) { movies(first: 20, after: $after) { nodes { id title year rating
    staff { nodes { character isLead person { id firstName lastName } position { title } } }
    awards { nodes { award { title } nomination { title } } }
    availability { nodes { price discountPercent cinema { title } } } } } }";

/// Rows of the lists of a movie.
const LIST: u32 = 12;
const MOVIES: u32 = 20;

/// A row of any type, which has a few columns.
struct Thing {
    id: ID,
    text: String,
    number: f64,
}

impl Row for Thing {
    fn type_name() -> TypeName {
        "Movie".into()
    }
}

/// A page of a shared table.
struct Page {
    from: u32,
}

impl Row for Page {
    fn type_name() -> TypeName {
        "MovieConnection".into()
    }
}

/// The tables: there is one.
struct Tables(Arc<Vec<Thing>>);

#[derive(InputObject)]
struct PageArguments {
    first: Option<i32>,
    after: Option<String>,
}

/// Connections of the root and of movies.
struct Connection;

fn pages<T: Send + Sync + 'static>(call: &Call<'_, T, PageArguments>) -> Column {
    let PageArguments { first, after } = &*call.arguments;
    black_box((first, after));
    let pages = (0..call.rows.len()).zip((0..).step_by(LIST as usize)).map(|(_, from)| Page { from }).collect();
    Column::objects("Page", pages)
}

/// The type of a connection, as its field is called.
fn named(mut column: Column, call: &str) -> Column {
    let of = match call {
        "Query.movies" => "MovieConnection",
        "Movie.staff" => "StaffMemberConnection",
        "Movie.awards" => "MovieAwardConnection",
        _ => "AvailabilityConnection",
    };
    if let Column::Cells(cells) = &mut column {
        cells.parts[0].of = of.into();
    }
    column
}

impl Resolve<Root> for Connection {
    type Arguments = PageArguments;

    fn type_name(_: &mut Registry) -> String {
        String::new()
    }

    async fn resolve(call: Call<'_, Root, PageArguments>) -> Column {
        named(pages(&call), call.selected.coordinate())
    }
}

impl Resolve<Thing> for Connection {
    type Arguments = PageArguments;

    fn type_name(_: &mut Registry) -> String {
        String::new()
    }

    async fn resolve(call: Call<'_, Thing, PageArguments>) -> Column {
        named(pages(&call), call.selected.coordinate())
    }
}

/// The rows of a page.
struct Nodes;

impl Resolve<Page> for Nodes {
    type Arguments = NoArguments;

    fn type_name(_: &mut Registry) -> String {
        String::new()
    }

    async fn resolve(call: Call<'_, Page>) -> Column {
        let (of, len) = match call.selected.coordinate() {
            "MovieConnection.nodes" => ("Movie", MOVIES),
            "StaffMemberConnection.nodes" => ("StaffMember", LIST),
            "MovieAwardConnection.nodes" => ("MovieAward", LIST),
            _ => ("Availability", LIST),
        };
        let rows = Rows::shared(Arc::clone(&call.context.data::<Tables>().0));
        let cells = call.iter().map(|page| Cell::Objects { from: page.from, len }).collect();
        Column::Cells(Cells { cells, parts: vec![Part { of: of.into(), rows }], ..Cells::default() })
    }
}

/// The object that a row refers to: one of the first ten.
struct Link;

impl Resolve<Thing> for Link {
    type Arguments = NoArguments;

    fn type_name(_: &mut Registry) -> String {
        String::new()
    }

    async fn resolve(call: Call<'_, Thing>) -> Column {
        let of = match call.selected.coordinate() {
            "StaffMember.person" => "Person",
            "StaffMember.position" => "PersonPosition",
            "MovieAward.award" => "FilmAward",
            "MovieAward.nomination" => "FilmAwardNomination",
            _ => "Cinema",
        };
        let rows = Rows::shared(Arc::clone(&call.context.data::<Tables>().0));
        let cells = (0..call.rows.len()).zip((0..10).cycle()).map(|(_, row)| Cell::Object { part: 0, row }).collect();
        Column::Cells(Cells { cells, parts: vec![Part { of: of.into(), rows }], ..Cells::default() })
    }
}

fn description() -> Description {
    let mut description = Description::new();
    description.object(Object::<Root>::new("").resolve::<Connection>("movies", ""));
    for name in ["MovieConnection", "StaffMemberConnection", "MovieAwardConnection", "AvailabilityConnection"] {
        description.object_named(name.into(), Object::<Page>::new("").resolve::<Nodes>("nodes", ""));
    }
    let leaves = |fields: &[&'static str]| {
        fields.iter().fold(Object::<Thing>::new(""), |object, field| match *field {
            "id" => object.leaf_ref("id", "", 1, |thing| &thing.id),
            "year" | "rating" | "discountPercent" => object.value(field, "", |_| 1984),
            "isLead" => object.value(field, "", |_| true),
            "price" => object.leaf_ref(field, "", 2, |thing| &thing.number),
            field => object.leaf_ref(field, "", 4, |thing| &thing.text),
        })
    };
    let movie = leaves(&["id", "title", "year", "rating"]);
    let lists = ["staff", "awards", "availability"];
    description.object(lists.into_iter().fold(movie, |movie, list| movie.resolve::<Connection>(list, "")));
    let staff = leaves(&["character", "isLead"]).resolve::<Link>("person", "").resolve::<Link>("position", "");
    description.object_named("StaffMember".into(), staff);
    let award = leaves(&[]).resolve::<Link>("award", "").resolve::<Link>("nomination", "");
    description.object_named("MovieAward".into(), award);
    let availability = leaves(&["price", "discountPercent"]).resolve::<Link>("cinema", "");
    description.object_named("Availability".into(), availability);
    description.object_named("Person".into(), leaves(&["id", "firstName", "lastName"]));
    for name in ["PersonPosition", "FilmAward", "FilmAwardNomination", "Cinema"] {
        description.object_named(name.into(), leaves(&["title"]));
    }
    description
}

/// The time of one call.
fn time(name: &str, mut run: impl FnMut()) {
    const ROUNDS: u32 = 5;
    const CALLS: u32 = 1_000;
    let mut best = Duration::MAX;
    for _ in 0..ROUNDS {
        let started = Instant::now();
        (0..CALLS).for_each(|_| run());
        best = best.min(started.elapsed() / CALLS);
    }
    println!("{name}: {:.1} us", best.as_secs_f64() * 1e6);
}

fn main() -> Result<(), Box<dyn Error>> {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../schema.graphql"))?;
    let schema = || Schema::from_sdl(&text);
    let refused = |refusal: EngineRefusal| format!("refused: {refusal:?}");
    let most = u64::MAX;
    let limits = DocumentLimits::default();
    let settings = |cache_bytes| EngineSettings {
        limits,
        pages: PageSizes { default: 20, max: 100 },
        cost_max: Cost {
            depth: most,
            root_fields: most,
            fields: most,
            values: most,
            introspection: most,
            introspection_levels: most,
        },
        cache_bytes,
        introspection: false,
    };
    let thing = |i: u32| Thing { id: ID(format!("TW92aWU6{i}")), text: format!("Слово {i}"), number: 7.5 };
    let context = Context::new(Arc::new(Tables(Arc::new((0..MOVIES * LIST).map(thing).collect()))));
    let variables = Inputs::new();
    let request = Request { query: QUERY, operation_name: None, variables: &variables };

    let known = schema()?;
    time("parse", || drop(black_box(parse(QUERY, limits))));
    let document = parse(QUERY, limits)?;
    time("validate", || drop(black_box(validate(&known, &document, &limits))));
    let forgetful = Engine::of_schema(schema()?, description(), settings(0));
    time("parse, validate, compile", || drop(black_box(forgetful.prepare(&request))));
    let engine = Engine::of_schema(schema()?, description(), settings(1 << 20));
    time("prepare, known", || drop(black_box(engine.prepare(&request))));
    let prepared = engine.prepare(&request).map_err(refused)?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let execute = || runtime.block_on(engine.execute(&prepared, &context, 1 << 20));
    time("execute and write", || drop(black_box(execute())));
    let answer = execute().map_err(refused)?;
    println!("{} bytes of JSON, {} bytes in the caches", answer.json.len(), engine.cached_bytes());
    Ok(())
}
