//! What every layer knows of a request: who sends it ([`viewer`]), what it may do ([`policy`]), how much it and others
//! may take ([`quota`], [`rate`], [`answer`]), what it has to see ([`position`]), how it fails ([`error`], [`retry`]), and
//! when ([`clock`]).
//!
//! The transport and the feed meet here too: [`executor`] executes what they have read, [`subscribe`] is how results of
//! subscriptions get from one to the other. [`planted`] is for tests of the checker. Names no table, no domain and no
//! HTTP.

pub mod answer;
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
