//! What every test binary shares: databases of its own, and a private PostgreSQL.

#![allow(dead_code, reason = "each test binary uses a part")]
#![expect(clippy::expect_used, reason = "a test stops at what it did not expect")]

/// Makes of each claim two tests, so that a failure names the database it fell on.
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
