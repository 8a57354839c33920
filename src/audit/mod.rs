//! Who changed what in the catalogue and in roles, as admins read it. [`kit::audit`](crate::kit::audit) writes it.

mod inputs;
pub mod objects;
