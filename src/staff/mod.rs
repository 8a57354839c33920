//! Who made a movie: staff entries and the positions that people hold.

mod inputs;
pub mod mutations;
pub mod objects;

pub use objects::{CreditsOfPerson, PersonPosition, StaffMember, StaffOfMovie};
