//! Who made a movie: staff entries and the positions that people hold.

mod types;

pub use types::{CreditsOfPerson, PersonPosition, StaffMember, StaffOfMovie, StaffQuery};
