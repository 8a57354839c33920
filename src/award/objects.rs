//! Film awards and nominations, and the lists of them.

use entity::{awards, film_award_nominations_registry, film_award_registry};
use graphql::{Context, Description, NoArguments, Object};

use crate::error::ApiResult;
use crate::kit::rows::{List, RowObject, WholeTable, row};
use crate::kit::{ByKey, Id};
use crate::movie::Movie;
use crate::person::Person;

row! {
    /// An award that a movie received in a nomination.
    MovieAward of awards {
        id: Id<MovieAward>,
        film_award_id: Id<FilmAward>,
        nomination_id: Id<FilmAwardNomination>,
        person_id: Option<Id<Person>>,
        movie_id: Id<Movie>,
    }
}

row! {
    /// A film award, such as "Ника".
    FilmAward of film_award_registry [registry: true] {
        id: Id<FilmAward>,
        title: String,
        description: Option<String>,
    }
}

row! {
    /// An award category, such as "Лучший сценарий".
    FilmAwardNomination of film_award_nominations_registry [registry: true] {
        id: Id<FilmAwardNomination>,
        title: String,
        description: Option<String>,
    }
}

/// The types of this domain.
pub fn describe(description: &mut Description) {
    description.object(
        Object::<MovieAward>::new("An award that a movie received in a nomination.")
            .node()
            .link("award", "The award.", MovieAward::film_award_id)
            .link("nomination", "The nomination.", MovieAward::nomination_id)
            .link(
                "person",
                "The person who received the award. Null if the award went to the whole movie.",
                MovieAward::person_id,
            )
            .link("movie", "The movie.", MovieAward::movie_id),
    );
    description.object(
        Object::<FilmAward>::new("A film award, such as \"Ника\".")
            .node()
            .column("title", "The name of the award.", FilmAward::title)
            .column(
                "description",
                "A description of the award and of the organisation behind it.",
                FilmAward::description,
            )
            .costs(4),
    );
    description.object(
        Object::<FilmAwardNomination>::new("An award category, such as \"Лучший сценарий\".")
            .node()
            .column("title", "The name of the nomination.", FilmAwardNomination::title)
            .column("description", "A description of what the jury judges.", FilmAwardNomination::description)
            .costs(4),
    );
}

/// `Movie.awards`.
#[derive(Clone, Debug)]
pub struct AwardsOfMovie;

impl List for AwardsOfMovie {
    type Parent = Movie;
    type Row = MovieAward;
    type Order = ByKey<MovieAward>;
    type Arguments = NoArguments;

    const LIST: &'static str = "Movie.awards";

    fn parent_column() -> awards::Column {
        awards::Column::MovieId
    }

    fn new(_: &Context, NoArguments: &NoArguments) -> ApiResult<(Self, Self::Order)> {
        Ok((Self, ByKey::default()))
    }
}

/// `Person.awards`.
#[derive(Clone, Debug)]
pub struct AwardsOfPerson;

impl List for AwardsOfPerson {
    type Parent = Person;
    type Row = MovieAward;
    type Order = ByKey<MovieAward>;
    type Arguments = NoArguments;

    const LIST: &'static str = "Person.awards";

    fn parent_column() -> awards::Column {
        awards::Column::PersonId
    }

    fn new(_: &Context, NoArguments: &NoArguments) -> ApiResult<(Self, Self::Order)> {
        Ok((Self, ByKey::default()))
    }
}

impl WholeTable for FilmAward {
    const LIST: &'static str = "filmAwards";
}

impl WholeTable for FilmAwardNomination {
    const LIST: &'static str = "filmAwardNominations";
}
