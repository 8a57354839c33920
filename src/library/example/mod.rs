//! An example domain: festivals and their screenings. The server does not include it.
//!
//! `docs/adding-a-domain.md` shows parts of these files, and a test compares them. A real domain is a folder of `src`,
//! with its tables in `migration/` and `entity/`.

mod inputs;
mod mutations;
mod objects;
mod service;
mod tables;
mod tests;
