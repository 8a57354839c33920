//! Who made a movie: staff entries and the positions that people hold.

mod mutation;
pub mod objects;
mod types;

pub use mutation::{PositionMutation, StaffMutation};
pub use types::{CreditsOfPerson, PersonPosition, StaffMember, StaffOfMovie, StaffQuery};
