//! A worked example of a domain: festivals and their screenings. The server does not have it.
//!
//! `docs/adding-a-domain.md` shows parts of these files, and a test compares. A real domain is a folder of `src`, its
//! tables are in `migration/` and `entity/`.

mod inputs;
mod mutations;
mod objects;
mod service;
mod tables;
mod tests;
