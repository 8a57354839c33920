//! The parts of the program `seeder`. This is a library so that its manual pages can be made from its arguments.

pub mod arguments;
mod history;
pub mod interruption;
pub mod load;
pub mod progress;
mod script;

pub use history::check;
