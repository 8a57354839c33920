//! Why a database refuses a statement, and the remedy.

use sea_orm_migration::prelude::DbErr;
use sea_orm_migration::sea_orm::RuntimeErr;

use crate::pooler::{SHARED, is_of_another_session};

/// The cause of a common refusal, and the remedy; `None` for others.
pub fn explain_refusal(error: &DbErr) -> Option<String> {
    let (DbErr::Exec(RuntimeErr::SqlxError(cause)) | DbErr::Query(RuntimeErr::SqlxError(cause))) = error else {
        return None;
    };
    let sqlx::Error::Database(refusal) = &**cause else { return None };
    let remedy = match refusal.code().as_deref() {
        Some("42501") => "this user may not change the schema; let the owner of the tables run this",
        Some("25006") => "it is a standby or read-only; name the leader",
        Some("0A000" | "58P01" | "22023") if refusal.message().contains("extension") => {
            "it lacks an extension; install PostgreSQL's contrib modules on each server"
        }
        Some(code) if is_of_another_session(code) => return Some(format!("the database is behind a pooler {SHARED}")),
        _ => return None,
    };
    Some(format!("the database refused ({refusal}): {remedy}"))
}
