//! Shared by all test binaries: databases, and a private PostgreSQL.

#![allow(dead_code, reason = "each test binary uses a part")]
#![expect(clippy::expect_used, reason = "a test stops at an unexpected error")]

/// Makes two tests of each claim, so that a failure names the database.
macro_rules! on_both {
    ($($claim:ident),+ $(,)?) => {
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $claim() {
                super::$claim($crate::support::database::Backend::Postgres).await;
            })+
        }

        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $claim() {
                super::$claim($crate::support::database::Backend::Sqlite).await;
            })+
        }
    };
}

pub mod address;
pub mod client;
pub mod database;
pub mod postgres;
pub mod rows;
