//! The sixteen seeding steps: which rows go where, in groups that can be made
//! in any order.

use entity::{
    awards, cinema_online, cinema_online_movie_presence, comments, film_award_nominations_registry,
    film_award_registry, movie_staff_m2m, movies, person_position, persons, publications, publications_category, tags,
    user_movie_orders, users, users_rating,
};
use sea_orm::{EntityTrait, ModelTrait};

use crate::fakes::{self, World, subject};
use crate::lists;

/// How one table is filled.
pub struct Step<E: EntityTrait> {
    /// What is printed when it is done.
    pub name: &'static str,
    /// How many groups of rows there are.
    pub groups: fn(&World) -> u32,
    /// The rows of a group, counted from zero.
    pub rows: fn(&World, u32) -> Vec<E::Model>,
}

/// A fixed list: one group, with ids counted from one.
fn listed<T, M>(items: impl IntoIterator<Item = T>, row: impl Fn(i32, T) -> M) -> Vec<M>
where
    M: ModelTrait,
{
    (1..).zip(items).map(|(id, item)| row(id, item)).collect()
}

fn one(_: &World) -> u32 {
    1
}

fn each_movie(world: &World) -> u32 {
    world.sizes.movies
}

/// Tags.
pub const TAGS: Step<tags::Entity> = Step {
    name: "load_tags",
    groups: one,
    rows: |_, _| listed(lists::TAGS, |_, title| tags::Model { title: title.to_owned() }),
};

/// Categories of publications.
pub const PUBLICATION_CATEGORIES: Step<publications_category::Entity> = Step {
    name: "load_publications_category",
    groups: one,
    rows: |_, _| {
        listed(lists::PUBLICATION_CATEGORIES, |id, title| publications_category::Model { id, title: title.to_owned() })
    },
};

/// Film awards.
pub const FILM_AWARDS: Step<film_award_registry::Entity> = Step {
    name: "load_award_registry",
    groups: one,
    rows: |_, _| {
        listed(lists::FILM_AWARDS, |id, (title, description)| film_award_registry::Model {
            id,
            title: title.to_owned(),
            description: Some(description.to_owned()),
        })
    },
};

/// Nominations.
pub const NOMINATIONS: Step<film_award_nominations_registry::Entity> = Step {
    name: "load_awards_nominations",
    groups: one,
    rows: |_, _| {
        listed(lists::NOMINATIONS, |id, nomination| film_award_nominations_registry::Model {
            id,
            title: nomination.title.to_owned(),
            description: Some(nomination.description.to_owned()),
        })
    },
};

/// Positions of persons.
pub const POSITIONS: Step<person_position::Entity> = Step {
    name: "load_persons_positions",
    groups: one,
    rows: |_, _| listed(lists::POSITIONS, |id, title| person_position::Model { id, title: title.to_owned() }),
};

/// Online cinemas.
pub const CINEMAS: Step<cinema_online::Entity> = Step {
    name: "load_cinema_online",
    groups: one,
    rows: |_, _| {
        listed(lists::ONLINE_CINEMAS, |id, (title, url)| cinema_online::Model {
            id,
            title: title.to_owned(),
            url: url.to_owned(),
        })
    },
};

/// Films.
pub const MOVIES: Step<movies::Entity> =
    Step { name: "load_movies_data", groups: each_movie, rows: |world, row| vec![fakes::movies::movie(world, row)] };

/// Users.
pub const USERS: Step<users::Entity> = Step {
    name: "load_users",
    groups: |world| world.sizes.users,
    rows: |world, row| vec![fakes::users::user(world, row)],
};

/// Persons.
pub const PERSONS: Step<persons::Entity> = Step {
    name: "load_persons",
    groups: |world| world.sizes.persons,
    rows: |world, row| vec![fakes::persons::person(world, row)],
};

/// Staff of films.
pub const STAFF: Step<movie_staff_m2m::Entity> =
    Step { name: "load_movies_staff", groups: each_movie, rows: fakes::staff::of_movie };

/// Awards of films.
pub const AWARDS: Step<awards::Entity> =
    Step { name: "load_awards", groups: each_movie, rows: fakes::awards::of_movie };

/// Presences of films at online cinemas.
pub const PRESENCES: Step<cinema_online_movie_presence::Entity> =
    Step { name: "load_cinema_movie_presence", groups: each_movie, rows: fakes::presences::of_movie };

/// Orders.
pub const ORDERS: Step<user_movie_orders::Entity> =
    Step { name: "load_user_movie_orders", groups: each_movie, rows: fakes::orders::of_movie };

/// Publications.
pub const PUBLICATIONS: Step<publications::Entity> = Step {
    name: "load_publications",
    groups: |world| world.sizes.publications,
    rows: |world, row| vec![fakes::publications::publication(world, row)],
};

/// Comments.
pub const COMMENTS: Step<comments::Entity> =
    Step { name: "load_comments", groups: subject::count, rows: fakes::comments::of_subject };

/// Ratings.
pub const RATINGS: Step<users_rating::Entity> =
    Step { name: "load_users_rating", groups: subject::count, rows: fakes::ratings::of_subject };
