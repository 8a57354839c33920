//! The sixteen steps: which rows go into which table, in groups that can be made in any order.

use std::ops::Range;

use entity::{
    awards, cinema_online, cinema_online_movie_presence, comments, film_award_nominations_registry,
    film_award_registry, movie_staff_m2m, movies, person_position, persons, publications, publications_category, tags,
    user_movie_orders, users, users_rating,
};
use sea_orm::{EntityTrait, IdenStatic, Iterable, ModelTrait, Value};

use crate::fakes::{self, World, accounts, subject};
use crate::lists;
use crate::sides::{self, Finish, Side};

/// Receives rows as they are made, each with its values in the order of the step's columns.
pub type Emit<'a> = dyn FnMut(Vec<Value>) + 'a;

/// How one table is filled.
pub struct SeedStep {
    /// The name that is printed when it is done.
    pub name: &'static str,
    /// The table.
    pub table: &'static str,
    /// Its columns.
    pub columns: fn() -> Vec<&'static str>,
    /// The number of groups of rows.
    pub groups: fn(&World) -> u32,
    /// The number of rows before a group; their ids end with this number.
    pub rows_before: fn(&World, u32) -> u32,
    /// Makes the rows of a group.
    pub make: fn(&World, u32, &mut Emit<'_>),
    /// The number of rows that are stored together.
    pub chunk_rows: u32,
    /// What triggers would make of its rows.
    pub sides: &'static [Side],
    /// What remains to be done after the last row.
    pub finish: Finish,
}

/// Groups of a step that are stored together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// The groups.
    pub groups: Range<u32>,
    /// The first and last id of their rows.
    pub ids: (i32, i32),
}

impl SeedStep {
    /// The number of its rows.
    pub fn rows(&self, world: &World) -> u32 {
        (self.rows_before)(world, (self.groups)(world))
    }

    /// Divides the step into chunks of at least one group.
    pub fn chunks(&self, world: &World) -> Vec<Chunk> {
        let (groups, mut start) = ((self.groups)(world), 0);
        let mut chunks = Vec::new();
        while start < groups {
            let first = (self.rows_before)(world, start);
            let mut end = start + 1;
            while end < groups && (self.rows_before)(world, end + 1) - first <= self.chunk_rows {
                end += 1;
            }
            let last = (self.rows_before)(world, end);
            if last > first {
                let ids = (fakes::shares::id(first), fakes::shares::id(last - 1));
                chunks.push(Chunk { groups: start..end, ids });
            }
            start = end;
        }
        chunks
    }
}

/// The sixteen steps in order.
pub static STEPS: [SeedStep; 16] = [
    TAGS,
    PUBLICATION_CATEGORIES,
    FILM_AWARDS,
    NOMINATIONS,
    POSITIONS,
    CINEMAS,
    MOVIES,
    USERS,
    PERSONS,
    STAFF,
    AWARDS,
    PRESENCES,
    ORDERS,
    PUBLICATIONS,
    COMMENTS,
    RATINGS,
];

/// Rows that are stored together: milliseconds of overhead for a tenth of a second's work.
const CHUNK_ROWS: u32 = 10_000;

fn columns<E: EntityTrait>() -> Vec<&'static str> {
    E::Column::iter().map(|column| column.as_str()).collect()
}

fn values<E: EntityTrait>(row: &E::Model) -> Vec<Value> {
    E::Column::iter().map(|column| row.get(column)).collect()
}

/// The simplest step for a table: no rows, no side tables.
const fn step<E: EntityTrait>(name: &'static str, table: &'static str) -> SeedStep {
    SeedStep {
        name,
        table,
        columns: columns::<E>,
        groups: |_| 0,
        rows_before: |_, group| group,
        make: |_, _, _| {},
        chunk_rows: CHUNK_ROWS,
        sides: &[],
        finish: |_, _| Vec::new(),
    }
}

fn each_movie(world: &World) -> u32 {
    world.sizes.movies
}

fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

const TAGS: SeedStep = SeedStep {
    groups: |_| count(lists::TAGS.len()),
    make: |_, at, emit| {
        emit(values::<tags::Entity>(&tags::Model { title: lists::TAGS[at as usize].to_owned() }));
    },
    ..step::<tags::Entity>("load_tags", "tags")
};

const PUBLICATION_CATEGORIES: SeedStep = SeedStep {
    groups: |_| count(lists::PUBLICATION_CATEGORIES.len()),
    make: |_, at, emit| {
        let title = lists::PUBLICATION_CATEGORIES[at as usize].to_owned();
        emit(values::<publications_category::Entity>(&publications_category::Model { id: id(at), title }));
    },
    ..step::<publications_category::Entity>("load_publications_category", "publications_category")
};

const FILM_AWARDS: SeedStep = SeedStep {
    groups: |_| count(lists::FILM_AWARDS.len()),
    make: |_, at, emit| {
        let (title, description) = lists::FILM_AWARDS[at as usize];
        let description = Some(description.to_owned());
        let row = film_award_registry::Model { id: id(at), title: title.to_owned(), description };
        emit(values::<film_award_registry::Entity>(&row));
    },
    ..step::<film_award_registry::Entity>("load_award_registry", "film_award_registry")
};

const NOMINATIONS: SeedStep = SeedStep {
    groups: |_| count(lists::NOMINATIONS.len()),
    make: |_, at, emit| {
        let nomination = &lists::NOMINATIONS[at as usize];
        let description = Some(nomination.description.to_owned());
        let title = nomination.title.to_owned();
        let row = film_award_nominations_registry::Model { id: id(at), title, description };
        emit(values::<film_award_nominations_registry::Entity>(&row));
    },
    ..step::<film_award_nominations_registry::Entity>("load_awards_nominations", "film_award_nominations_registry")
};

const POSITIONS: SeedStep = SeedStep {
    groups: |_| count(lists::POSITIONS.len()),
    make: |_, at, emit| {
        let row = person_position::Model { id: id(at), title: lists::POSITIONS[at as usize].to_owned() };
        emit(values::<person_position::Entity>(&row));
    },
    ..step::<person_position::Entity>("load_persons_positions", "person_position")
};

const CINEMAS: SeedStep = SeedStep {
    groups: |_| count(lists::ONLINE_CINEMAS.len()),
    make: |_, at, emit| {
        let (title, url) = lists::ONLINE_CINEMAS[at as usize];
        let row = cinema_online::Model { id: id(at), title: title.to_owned(), url: url.to_owned() };
        emit(values::<cinema_online::Entity>(&row));
    },
    sides: sides::OF_CINEMAS,
    ..step::<cinema_online::Entity>("load_cinema_online", "cinema_online")
};

const MOVIES: SeedStep = SeedStep {
    groups: each_movie,
    make: |world, row, emit| emit(values::<movies::Entity>(&fakes::movies::movie(world, row))),
    sides: sides::OF_MOVIES,
    ..step::<movies::Entity>("load_movies_data", "movies")
};

const USERS: SeedStep = SeedStep {
    groups: |world| world.sizes.users + accounts::count(world),
    make: |world, row, emit| {
        let user = match row.checked_sub(world.sizes.users) {
            None => fakes::users::user(world, row),
            Some(account) => accounts::account(world, account),
        };
        emit(values::<users::Entity>(&user));
    },
    finish: sides::grant_roles,
    ..step::<users::Entity>("load_users", "users")
};

const PERSONS: SeedStep = SeedStep {
    groups: |world| world.sizes.persons,
    make: |world, row, emit| emit(values::<persons::Entity>(&fakes::persons::person(world, row))),
    sides: sides::OF_PERSONS,
    ..step::<persons::Entity>("load_persons", "persons")
};

const STAFF: SeedStep = SeedStep {
    groups: each_movie,
    rows_before: |world, movie| world.staff.before(movie),
    make: |world, movie, emit| {
        for row in fakes::staff::of_movie(world, movie) {
            emit(values::<movie_staff_m2m::Entity>(&row));
        }
    },
    ..step::<movie_staff_m2m::Entity>("load_movies_staff", "movie_staff_m2m")
};

const AWARDS: SeedStep = SeedStep {
    groups: each_movie,
    rows_before: |world, movie| world.awards.before(movie),
    make: |world, movie, emit| {
        for row in fakes::awards::of_movie(world, movie) {
            emit(values::<awards::Entity>(&row));
        }
    },
    ..step::<awards::Entity>("load_awards", "awards")
};

const PRESENCES: SeedStep = SeedStep {
    groups: each_movie,
    rows_before: |world, movie| world.presences.before(movie),
    make: |world, movie, emit| {
        for row in fakes::presences::of_movie(world, movie) {
            emit(values::<cinema_online_movie_presence::Entity>(&row));
        }
    },
    ..step::<cinema_online_movie_presence::Entity>("load_cinema_movie_presence", "cinema_online_movie_presence")
};

const ORDERS: SeedStep = SeedStep {
    groups: each_movie,
    rows_before: |world, movie| world.orders.before(movie),
    make: |world, movie, emit| {
        fakes::orders::of_movie(world, movie, &mut |row| emit(values::<user_movie_orders::Entity>(&row)));
    },
    ..step::<user_movie_orders::Entity>("load_user_movie_orders", "user_movie_orders")
};

const PUBLICATIONS: SeedStep = SeedStep {
    groups: |world| world.sizes.publications,
    make: |world, row, emit| emit(values::<publications::Entity>(&fakes::publications::publication(world, row))),
    // At full size each has 60 KB, and its words are indexed in the same transaction.
    chunk_rows: 20,
    sides: sides::OF_PUBLICATIONS,
    ..step::<publications::Entity>("load_publications", "publications")
};

const COMMENTS: SeedStep = SeedStep {
    groups: subject::count,
    rows_before: |world, group| world.comments.before(group),
    make: |world, group, emit| {
        fakes::comments::of_subject(world, group, &mut |row| emit(values::<comments::Entity>(&row)));
    },
    ..step::<comments::Entity>("load_comments", "comments")
};

const RATINGS: SeedStep = SeedStep {
    groups: subject::count,
    rows_before: |world, group| world.ratings.before(group),
    make: |world, group, emit| {
        fakes::ratings::of_subject(world, group, &mut |row| emit(values::<users_rating::Entity>(&row)));
    },
    finish: sides::count_ratings,
    ..step::<users_rating::Entity>("load_users_rating", "users_rating")
};

fn id(row: u32) -> i32 {
    fakes::shares::id(row)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
mod tests {
    use super::*;
    use crate::sizes::Sizes;

    #[test]
    fn chunks_hold_every_group_with_rows_once() {
        let world = World::new(1, Sizes::demo());
        for step in &STEPS {
            let chunks = step.chunks(&world);
            let mut next = 1;
            for chunk in &chunks {
                assert_eq!(chunk.ids.0, next, "{}", step.name);
                next = chunk.ids.1 + 1;
            }
            assert_eq!(u32::try_from(next - 1).unwrap(), step.rows(&world), "{}", step.name);
            assert!(chunks.windows(2).all(|two| two[0].groups.end <= two[1].groups.start));
        }
    }

    #[test]
    fn chunks_respect_their_size_unless_of_one_group() {
        let world = World::new(1, Sizes { ratings: 60_000, users: 5_000, ..Sizes::demo() });
        let chunks = RATINGS.chunks(&world);
        assert!(chunks.len() >= 6);
        for chunk in chunks {
            let rows = u32::try_from(chunk.ids.1 - chunk.ids.0 + 1).unwrap();
            assert!(rows <= CHUNK_ROWS || chunk.groups.len() == 1);
        }
    }
}
