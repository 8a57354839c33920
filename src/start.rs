//! Prepares a database before the server uses it: the schema, the demo, checks.

use anyhow::{Context, anyhow, bail};
use migration::connect::{Access, DatabaseUrl};
use migration::{Migration, SchemaState};
use sea_orm::DatabaseConnection;
use seeding::{SeedError, accounts};

use crate::account::{AccountServices, operator};
use crate::config::ServeArgs;
use crate::db::{self, Db};
use crate::http;

/// Updates the schema, fills it according to the settings, and checks that everything is there that the server needs.
pub(crate) async fn prepare(owner: &DatabaseConnection, url: &DatabaseUrl, args: &ServeArgs) -> anyhow::Result<()> {
    db::check_rights(owner, url, Access::Write).await?;
    let is_newer = prepare_schema(owner, url, args.migrate || args.demo).await?;
    if args.demo && !is_newer {
        fill_demo(owner).await?;
    }
    check_content(owner, url, is_newer).await
}

/// An unfinished or failed seed leaves rows out. The triggers of a newer schema may differ.
async fn check_content(db: &DatabaseConnection, url: &DatabaseUrl, is_newer: bool) -> anyhow::Result<()> {
    if seeding::is_unfinished(db).await.context("cannot read the marks of the seeder")? {
        bail!("a seed of the {url} has not finished: start it again with the same flags (`seeder seed --help`)");
    }
    if is_newer { Ok(()) } else { check_triggers(db, url).await }
}

/// Returns whether the schema has steps of a newer version that this one supports. Its triggers may differ.
async fn prepare_schema(db: &DatabaseConnection, url: &DatabaseUrl, migrate: bool) -> anyhow::Result<bool> {
    let sqlite = matches!(url, DatabaseUrl::Sqlite(_));
    let compare = async || migration::compare(db).await.with_context(|| format!("cannot read the schema of the {url}"));
    let mut state = compare().await?;
    let migration = Migration { tell: &|line| tracing::info!("migrating: {line}"), ..Migration::default() };
    let unfinished = migration.unfinished_indexes(db).await;
    let unfinished = unfinished.with_context(|| format!("cannot read the indexes of the {url}"))?;
    let is_behind = matches!(state, SchemaState::Behind(_)) || !unfinished.is_empty();
    if is_behind && (migrate || sqlite) {
        let steps = migration.up(db, None).await.map_err(|error| match migration::explain_refusal(&error) {
            Some(reason) => anyhow!("cannot migrate the {url}: {reason}"),
            None => anyhow::Error::from(error)
                .context(format!("cannot migrate the {url}: it is locked, or changed by other means than the steps")),
        })?;
        tracing::info!(steps = steps.join(", "), "migrated the {url}");
        state = compare().await?;
    } else if !unfinished.is_empty() {
        let indexes = unfinished.join(", ");
        tracing::warn!("queries are slow without indexes of the {url}: run `kinoteka migrate up` to build {indexes}");
    }
    match state {
        SchemaState::Current => Ok(false),
        SchemaState::Incomplete(_) => {
            let tables = migration::refill(db).await.with_context(|| format!("cannot complete the {url}: {state}"))?;
            tracing::warn!(tables = tables.join(", "), "rebuilt rows that the {url} had lost");
            Ok(false)
        }
        SchemaState::Newer(_) => {
            tracing::warn!("{state}");
            Ok(true)
        }
        state => bail!("cannot serve the {url}: {state}"),
    }
}

/// Without triggers, side tables are wrong and listeners get no events.
async fn check_triggers(db: &DatabaseConnection, url: &DatabaseUrl) -> anyhow::Result<()> {
    let silent = migration::silent_triggers(db).await;
    let silent = silent.with_context(|| format!("cannot read the triggers of the {url}"))?;
    if !silent.is_empty() {
        bail!(
            "cannot serve the {url}: triggers do not fire: {}; enable them with ALTER TABLE ... ENABLE TRIGGER USER, \
             or restore the schema",
            silent.join(", ")
        );
    }
    Ok(())
}

/// The number of demo accounts that a warning names.
const DEMO_ACCOUNTS_SHOWN: usize = 5;

/// Warns about accounts with the publicly known password.
pub(crate) async fn warn_of_demo_accounts(db: &Db, accounts: &AccountServices) -> anyhow::Result<()> {
    let known = find_demo_accounts(db, accounts).await?;
    if !known.is_empty() {
        let shown = known[..known.len().min(DEMO_ACCOUNTS_SHOWN)].join(", ");
        let more = match known.len().saturating_sub(DEMO_ACCOUNTS_SHOWN) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        tracing::warn!(
            "--production: these demo accounts still have their public password: {shown}{more}; set \
             another one with `kinoteka user reset-password`, or delete the accounts"
        );
    }
    Ok(())
}

/// The users who can log in with the password of the demo accounts.
async fn find_demo_accounts(db: &Db, accounts: &AccountServices) -> anyhow::Result<Vec<String>> {
    let (ending, password) = (accounts::EMAIL_ENDING, accounts::PASSWORD);
    operator::list_with_password(db.read.connections(), &accounts.passwords, ending, password).await
}

/// The demo accounts to offer on pages: those that still have the password.
pub(crate) async fn find_demo_login(db: &Db, accounts: &AccountServices) -> anyhow::Result<Option<http::DemoLogin>> {
    let known = find_demo_accounts(db, accounts).await?;
    let usernames: Vec<_> = accounts::usernames(0).filter(|username| known.contains(username)).collect();
    let password = accounts::PASSWORD.to_owned();
    Ok((!usernames.is_empty()).then_some(http::DemoLogin { usernames, password }))
}

/// Checks that a replica has everything that reads need.
pub(crate) async fn check_replica(replica: &DatabaseConnection, read_url: &DatabaseUrl) -> anyhow::Result<()> {
    db::check_rights(replica, read_url, Access::Read).await?;
    match migration::compare(replica).await.with_context(|| format!("cannot read the schema of the {read_url}"))? {
        SchemaState::Current => check_content(replica, read_url, false).await,
        SchemaState::Newer(_) => check_content(replica, read_url, true).await,
        state => bail!("cannot read from the {read_url} (--database-read-url): {state}"),
    }
}

async fn fill_demo(db: &DatabaseConnection) -> anyhow::Result<()> {
    let options = seeding::SeedOptions { demo_accounts: Some(0), ..Default::default() };
    let outcome = seeding::seed(db, &options, |event: seeding::SeedEvent| {
        if let seeding::SeedEvent::Done(step) = event {
            tracing::debug!(rows = step.rows, "{}..OK", step.name);
        }
    })
    .await;
    match outcome {
        Ok(summary) => {
            tracing::info!(rows = summary.rows, "filled the empty database with the demo catalogue");
            let names: Vec<_> = accounts::usernames(0).collect();
            tracing::info!("demo accounts: {}, all with the password {}", names.join(", "), accounts::PASSWORD);
        }
        Err(SeedError::NotEmpty { table }) => {
            tracing::info!(table, "the database has rows: the demo catalogue was not added");
        }
        Err(error) => return Err(error.into()),
    }
    Ok(())
}
