//! The subjects of comments and ratings: movies and publications.

use chrono::{DateTime, FixedOffset};

use super::World;
use super::calendar::midnight;
use super::shares::id;
use super::{movies, publications};
use crate::text::talk::TalkTopic;

/// A movie or a publication. Groups of comments and ratings are numbered by subjects: first movies, then
/// publications.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The kind of the subject.
    pub topic: TalkTopic,
    /// The movie's id, if it is a movie.
    pub movie_id: Option<i32>,
    /// The publication's id, if it is a publication.
    pub publication_id: Option<i32>,
    /// The movie itself, or the movie that the publication discusses.
    pub movie: u32,
    /// When it was released or published.
    pub since: DateTime<FixedOffset>,
    /// The quality: the mean of its ratings.
    pub quality: f64,
}

/// The number of subjects.
pub fn count(world: &World) -> u32 {
    world.sizes.movies + world.sizes.publications
}

/// The subject of a group.
pub fn subject(world: &World, group: u32) -> Subject {
    if group < world.sizes.movies {
        let traits = movies::traits(world, group);
        return Subject {
            topic: TalkTopic::Film,
            movie_id: Some(id(group)),
            publication_id: None,
            movie: group,
            since: midnight(traits.shown_from),
            quality: traits.quality,
        };
    }
    let publication = group - world.sizes.movies;
    let traits = publications::traits(world, publication);
    Subject {
        topic: TalkTopic::Publication,
        movie_id: None,
        publication_id: Some(id(publication)),
        movie: traits.movie,
        since: traits.created_at,
        quality: traits.quality,
    }
}
