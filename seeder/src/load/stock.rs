//! What the server has to comment on, rate and order: read by queries, and again during the run, since others add and
//! delete.

use std::collections::VecDeque;
use std::sync::Mutex;

use serde_json::{Value, json};

use super::api::{Api, RequestFailure};
use super::documents::{MOVIES, PUBLICATIONS, REGISTRIES};
use super::ledger::text_of;
use super::lock;
use crate::script::Draw;

/// The number of pages of movies to read.
const MOVIE_PAGES: u32 = 5;
/// The number of comments to store, for replies.
const COMMENTS_MAX: usize = 2_000;

/// Something that can be commented on and rated.
#[derive(Clone, Debug)]
pub struct LoadSubject {
    /// Its id.
    pub id: String,
    /// Its title.
    pub title: String,
    /// The cinemas where it can be ordered, if it is a movie.
    pub cinemas: Vec<String>,
}

/// A comment that can get replies.
#[derive(Clone, Debug)]
pub struct Parent {
    /// Its id.
    pub id: String,
    /// The id of its subject.
    pub subject: String,
    /// Its subject's title.
    pub title: String,
}

/// Subjects of one kind, with comments on them.
#[derive(Default)]
struct Shelf {
    subjects: Vec<LoadSubject>,
    comments: VecDeque<Parent>,
}

/// The kind of a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubjectKind {
    Movie,
    Publication,
}

/// The known content of the server.
#[derive(Default)]
pub struct Stock {
    movies: Mutex<Shelf>,
    publications: Mutex<Shelf>,
    cinemas: Mutex<Vec<String>>,
    categories: Mutex<Vec<String>>,
}

impl Stock {
    /// Reads the content for the first time.
    ///
    /// # Errors
    /// The server does not respond.
    pub async fn read(api: &Api) -> Result<Self, RequestFailure> {
        let stock = Self::default();
        stock.refresh_movies(api).await?;
        stock.refresh_publications(api).await?;
        let data = api.query(REGISTRIES, &json!({})).await?;
        *lock(&stock.cinemas) = ids(&data["cinemas"]);
        *lock(&stock.categories) = ids(&data["publicationCategories"]);
        Ok(stock)
    }

    /// Reads the movies again: cinemas start and stop offering them.
    ///
    /// # Errors
    /// The server does not respond.
    pub async fn refresh_movies(&self, api: &Api) -> Result<(), RequestFailure> {
        let mut movies = Vec::new();
        let mut after = Value::Null;
        for _ in 0..MOVIE_PAGES {
            let mut data = api.query(MOVIES, &json!({ "after": after })).await?;
            let page = data["movies"].take();
            movies.extend(nodes(&page).cloned());
            if page["pageInfo"]["hasNextPage"] != json!(true) {
                break;
            }
            after = page["pageInfo"]["endCursor"].clone();
        }
        lock(&self.movies).fill(&movies);
        Ok(())
    }

    /// Reads the publications again: they are added and deleted.
    ///
    /// # Errors
    /// The server does not respond.
    pub async fn refresh_publications(&self, api: &Api) -> Result<(), RequestFailure> {
        let data = api.query(PUBLICATIONS, &json!({})).await?;
        lock(&self.publications).fill(nodes(&data["publications"]));
        Ok(())
    }

    /// Whether there is nothing to act on.
    pub fn is_empty(&self) -> bool {
        lock(&self.movies).subjects.is_empty()
    }

    /// Picks a subject.
    pub fn subject(&self, kind: SubjectKind, draw: Draw) -> Option<LoadSubject> {
        draw.early(&lock(self.shelf(kind)).subjects).cloned()
    }

    /// Picks a comment to reply to.
    pub fn comment(&self, kind: SubjectKind, draw: Draw) -> Option<Parent> {
        draw.any(lock(self.shelf(kind)).comments.make_contiguous()).cloned()
    }

    /// Picks a movie.
    pub fn movie(&self, draw: Draw) -> Option<String> {
        draw.any(&lock(&self.movies).subjects).map(|movie| movie.id.clone())
    }

    /// Picks a movie and a cinema that offers it: the next pair that `will_do`.
    pub fn offer(&self, draw: Draw, will_do: impl Fn(&str, &str) -> bool) -> Option<(String, String)> {
        let shelf = lock(&self.movies);
        let (before, from) = shelf.subjects.split_at(draw.early_index(shelf.subjects.len()));
        from.iter().chain(before).find_map(|movie| {
            let cinema = movie.cinemas.iter().find(|cinema| will_do(&movie.id, cinema))?;
            Some((movie.id.clone(), cinema.clone()))
        })
    }

    /// Picks a cinema.
    pub fn cinema(&self, draw: Draw) -> Option<String> {
        draw.any(&lock(&self.cinemas)).cloned()
    }

    /// Picks a category of publications.
    pub fn category(&self, draw: Draw) -> Option<String> {
        draw.any(&lock(&self.categories)).cloned()
    }

    /// Adds a new comment.
    pub fn add_comment(&self, kind: SubjectKind, comment: Parent) {
        lock(self.shelf(kind)).remember(comment);
    }

    /// Adds a new publication.
    pub fn add_publication(&self, id: &str, title: &str) {
        let subject = LoadSubject { id: id.to_owned(), title: title.to_owned(), cinemas: Vec::new() };
        lock(&self.publications).subjects.insert(0, subject);
    }

    /// Removes a subject or a comment that was deleted.
    pub fn forget(&self, kind: SubjectKind, id: &str) {
        let mut shelf = lock(self.shelf(kind));
        shelf.subjects.retain(|subject| subject.id != id);
        shelf.comments.retain(|comment| comment.id != id && comment.subject != id);
    }

    fn shelf(&self, kind: SubjectKind) -> &Mutex<Shelf> {
        match kind {
            SubjectKind::Movie => &self.movies,
            SubjectKind::Publication => &self.publications,
        }
    }
}

impl Shelf {
    /// Replaces the subjects, and adds comments while few are stored.
    fn fill<'a>(&mut self, list: impl IntoIterator<Item = &'a Value>) {
        self.subjects.clear();
        let is_short = self.comments.len() < COMMENTS_MAX / 2;
        for node in list {
            let (id, title) = (text_of(node, "id"), text_of(node, "title"));
            let cinemas = nodes(&node["availability"]).map(|presence| text_of(&presence["cinema"], "id")).collect();
            for comment in nodes(&node["comments"]).filter(|_| is_short) {
                self.remember(Parent { id: text_of(comment, "id"), subject: id.clone(), title: title.clone() });
            }
            self.subjects.push(LoadSubject { id, title, cinemas });
        }
    }

    fn remember(&mut self, comment: Parent) {
        self.comments.push_back(comment);
        if self.comments.len() > COMMENTS_MAX {
            self.comments.pop_front();
        }
    }
}

/// The nodes of a connection.
pub fn nodes(list: &Value) -> impl Iterator<Item = &Value> {
    list["nodes"].as_array().into_iter().flatten()
}

fn ids(list: &Value) -> Vec<String> {
    nodes(list).map(|node| text_of(node, "id")).collect()
}
