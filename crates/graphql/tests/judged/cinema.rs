//! A small schema with every kind of type, described for the engine.

use std::sync::Arc;

use async_graphql::registry::Registry;
use async_graphql::{Enum, ID, InputObject, InputValueError, InputValueResult, OneofObject, Scalar, ScalarType, Value};
use graphql::{
    Abstract, Batch, Call, Cell, Cells, Column, Context, Describe, Description, DocumentLimits, Engine, EngineSettings,
    FieldError, Introspection, NoArguments, Object, One, Part, Resolve, Root, Row, Rows, TypeName, enum_leaves,
    scalar_leaves,
};

use super::world::settings;

/// Where a screen stands.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(rename_items = "SCREAMING_SNAKE_CASE")]
enum Place {
    /// Under a roof.
    Indoors,
    /// Under the sky.
    #[graphql(deprecation = "It rains.")]
    Outdoors,
}

enum_leaves!(Place);

#[derive(Clone)]
struct Day(String);

/// A day as `YYYY-MM-DD`.
#[Scalar]
impl ScalarType for Day {
    fn parse(value: Value) -> InputValueResult<Self> {
        match value {
            Value::String(text) if text.len() == 10 => Ok(Self(text)),
            _ => Err(InputValueError::custom("must be a day")),
        }
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.clone())
    }
}

scalar_leaves!(Day: |day, out| graphql::execution::leaf::write_text(out, &day.0));

/// Which films.
#[derive(InputObject)]
struct FilmFilter {
    /// Shown since this day.
    since: Option<Day>,
    /// Of this length in minutes.
    #[graphql(default = 90)]
    minutes: i32,
}

/// How to find a film.
#[derive(OneofObject)]
enum FilmKey {
    /// By its id.
    Id(ID),
    /// By its title.
    Title(String),
}

/// The arguments of `films`.
#[derive(InputObject)]
struct FilmArguments {
    /// Which films.
    filter: Option<FilmFilter>,
    /// One film.
    key: Option<FilmKey>,
    /// The order of titles.
    #[graphql(default = false)]
    descending: bool,
}

struct Film {
    title: &'static str,
    place: Option<Place>,
}

impl Row for Film {
    fn type_name() -> TypeName {
        "Film".into()
    }
}

struct Hall;

impl Row for Hall {
    fn type_name() -> TypeName {
        "Hall".into()
    }
}

struct Films;

impl Batch<Root> for Films {
    type Arguments = FilmArguments;
    type Value = Vec<One<Film>>;

    async fn find(call: Call<'_, Root, FilmArguments>) -> Result<Vec<Self::Value>, FieldError> {
        let FilmArguments { filter, key, descending } = &*call.arguments;
        let since = filter.as_ref().and_then(|filter| filter.since.as_ref()).map(|day| day.0.clone());
        if let (Some(since), Some(FilmFilter { minutes, .. })) = (since, filter) {
            return Err(FieldError::plain(format!("no films of {minutes} minutes since {since}")));
        }
        let is_found = |title: &str| match key {
            Some(FilmKey::Id(id)) => title.starts_with(&**id),
            Some(FilmKey::Title(other)) => title == other,
            None => true,
        };
        let mut titles: Vec<_> = ["Metropolis", "Solaris"].into_iter().filter(|title| is_found(title)).collect();
        if *descending {
            titles.reverse();
        }
        let film = |title: &'static str| One(Film { title, place: (title == "Solaris").then_some(Place::Outdoors) });
        Ok(call.iter().map(|_| titles.iter().copied().map(film).collect()).collect())
    }
}

struct HallOfFilm;

impl Batch<Film> for HallOfFilm {
    type Arguments = NoArguments;
    type Value = Option<One<Hall>>;

    async fn find(call: Call<'_, Film>) -> Result<Vec<Self::Value>, FieldError> {
        Ok::<_, FieldError>(call.iter().map(|film| (film.title == "Solaris").then_some(One(Hall))).collect())
    }
}

/// One film and one hall.
struct All;

impl Resolve<Root> for All {
    type Arguments = NoArguments;

    fn type_name(_: &mut Registry) -> String {
        "[Thing]!".to_owned()
    }

    async fn resolve(_: Call<'_, Root>) -> Column {
        let film = Part { of: "Film".into(), rows: Rows::new(vec![Film { title: "Solaris", place: None }]) };
        let hall = Part { of: "Hall".into(), rows: Rows::new(vec![Hall]) };
        let objects = (0..2).map(|part| Cell::Object { part, row: 0 });
        let items = objects.chain([Cell::Null]).collect();
        let cells = vec![Cell::List { from: 0, len: 3 }];
        Column::Cells(Cells { cells, items, parts: vec![film, hall], ..Cells::default() })
    }
}

struct Newest;

impl Resolve<Root> for Newest {
    type Arguments = NoArguments;

    fn type_name(_: &mut Registry) -> String {
        "Named".to_owned()
    }

    async fn resolve(_: Call<'_, Root>) -> Column {
        Column::objects("Hall", vec![Hall])
    }
}

struct Cinema;

impl Describe for Cinema {
    fn description() -> Arc<Description> {
        let mut description = Description::new();
        description.scalar::<Day>();
        description
            .interface("Named", Abstract::interface("What has a title.", vec![("title", "The title.", "String!")]));
        description.union("Thing", Abstract::union("What a cinema has.", vec!["Film".into(), "Hall".into()]));
        description.object(
            Object::<Root>::new("The root.")
                .value("count", "How many films there are.", |_| 2)
                .batch::<Films>("films", "The films.")
                .resolve::<All>("all", "Everything, and nothing.")
                .resolve::<Newest>("newest", "What came last."),
        );
        description.object(
            Object::<Film>::new("A film.\n\nOf any length.")
                .implements("Named")
                .value("title", "The title.", |film| film.title)
                .value("name", "The old name of the title.", |film| film.title)
                .deprecated("Use `title`.")
                .value("place", "Where it is shown.", |film| film.place)
                .value("days", "When it is shown.", |_| vec![Day("1972-03-20".to_owned())])
                .batch::<HallOfFilm>("hall", "The hall."),
        );
        description.object(Object::<Hall>::new("").implements("Named").value("title", "The title.", |_| "Big").value(
            "seats",
            "",
            |_| 5,
        ));
        Arc::new(description)
    }
}

/// The schema definition, and an engine for it.
pub fn engine(introspection: bool) -> (String, Engine, Context) {
    let sdl = Introspection::<Cinema>::new().sdl();
    let settings =
        EngineSettings { introspection, limits: DocumentLimits { nesting: 64, ..DocumentLimits::NONE }, ..settings() };
    (sdl, Engine::described::<Cinema>(settings).unwrap(), Context::new(Arc::new(())))
}
