//! Search over movies, persons, publications and cinemas, ranked together.
//!
//! - `terms`: the query, parsed into words, phrases and exclusions;
//! - `forms`: the forms of a word;
//! - `layout`: guesses for the wrong keyboard layout;
//! - `find`: finds and ranks hits; `titles` and `texts`: the statements, by database; `sql`: what they share;
//! - `exclusions`: exclusions that PostgreSQL's index does not know;
//! - `score`: how well a title, a name or a text matches the query;
//! - `snippet`: the excerpt of a text around the match;
//! - [`objects`]: the hits as API clients see them, and the root field.

mod exclusions;
mod find;
mod forms;
mod inputs;
mod layout;
pub mod objects;
mod score;
mod snippet;
mod sql;
mod terms;
mod texts;
mod titles;
