//! Russian texts with structure and agreement: plots, articles, comments, biographies, titles.
//!
//! `grammar` declines, `lexicon` and `phrases` contain the words, `template` combines them. The other modules are
//! lists of templates, each for one kind of text.

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
