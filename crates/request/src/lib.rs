//! What every layer knows about a request: who sends it ([`viewer`]), what they may do ([`policy`]), how much of the
//! server it and others may use ([`quota`], [`rate`], [`budget`]), which changes it must see ([`position`]), how it
//! fails ([`error`], [`retry`]), and the time ([`clock`]).
//!
//! The transport and the feed also meet here: [`executor`] executes the operations that they have read, and
//! [`subscribe`] carries the results of subscriptions from one to the other. [`planted`] is for tests of the checker.
//! Names no table, no domain and no HTTP.

pub mod budget;
pub mod clock;
pub mod error;
pub mod executor;
pub mod planted;
pub mod policy;
pub mod position;
pub mod quota;
pub mod rate;
pub mod retry;
pub mod subscribe;
pub mod viewer;
