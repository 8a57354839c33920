//! Search over movies, persons, publications and cinemas, ranked together.
//!
//! - `terms`: what the client typed, parsed into words, phrases and exclusions;
//! - `forms`: the forms that a word may stand in;
//! - `layout`: what was meant where the keyboard was in the other language;
//! - `find`: what is found, ranked; `titles` and `texts`: the statements, per database; `sql`: what they share;
//! - `common`: exclusions that PostgreSQL's index does not know;
//! - `score`: how well a title, a name or a text meets what was typed;
//! - `snippet`: where a text meets it;
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
