//! What every test binary shares: databases of its own, and a private PostgreSQL.

#![allow(dead_code, reason = "each test binary uses a part")]
#![expect(clippy::expect_used, reason = "a test stops at what it did not expect")]

pub mod database;
pub mod postgres;
