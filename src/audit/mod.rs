//! The audit log: who changed what in the catalogue and in roles. [`kit::audit`](crate::kit::audit) writes it.

mod inputs;
pub mod objects;
