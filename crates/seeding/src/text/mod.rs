//! Russian texts with structure and agreement: plots, articles, comments,
//! stories of people, titles.
//!
//! `grammar` declines, `lexicon` and `phrases` hold the words, `template`
//! joins them; the other modules are lists of templates for one kind of text.

pub mod article;
pub mod bio;
pub mod grammar;
pub mod lexicon;
pub mod phrases;
pub mod plot;
pub mod talk;
pub mod template;
pub mod titles;

#[cfg(test)]
mod tests;
