//! The schema on real databases: the DDL against the facts, its checks, migrating, entities.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test stops at what it did not expect")]

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

mod accepts;
mod catalogue;
mod checks;
mod entities;
mod facts;
mod fixture;
mod forms;
mod migrate;
mod schema;
#[path = "../support/mod.rs"]
mod support;
