//! What comments and ratings are about: a film or a publication.

use chrono::{DateTime, FixedOffset};

use super::World;
use super::calendar::midnight;
use super::shares::id;
use super::{movies, publications};
use crate::text::talk::TalkTopic;

/// A film or a publication, as groups of comments and ratings see it: films
/// come first, then publications.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Which of the two it is.
    pub topic: TalkTopic,
    /// The film's id, when it is a film.
    pub movie_id: Option<i32>,
    /// The publication's id, when it is a publication.
    pub publication_id: Option<i32>,
    /// The film itself, or the one that the publication is about.
    pub movie: u32,
    /// When it appeared.
    pub since: DateTime<FixedOffset>,
    /// How good it is held to be: the mean of its ratings.
    pub quality: f64,
}

/// How many subjects there are.
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
