//! What a PostgreSQL role needs to serve, rights and policies of rows: checked at the start, not found out by users.

use anyhow::{Context, bail};
use migration::connect::{Access, DatabaseUrl};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr, Statement, Value};

/// The tables that the server names, and what it does to them. What triggers do needs no rights of whoever sets
/// them off. Rows are locked by whoever may update them.
pub const NEEDED: &[(&str, &[&str])] = &[
    ("audit_log", &["SELECT", "INSERT"]),
    ("awards", CHANGED),
    ("cinema_online", CHANGED),
    ("cinema_online_movie_presence", CHANGED),
    ("cinema_titles", &["SELECT"]),
    ("comment_events", &["SELECT", "DELETE"]),
    ("comment_feed", &["SELECT", "UPDATE"]),
    ("comment_ticks", &["SELECT", "DELETE"]),
    ("comment_tombstones", &["SELECT", "INSERT"]),
    ("comments", CHANGED),
    ("film_award_nominations_registry", CHANGED),
    ("film_award_registry", CHANGED),
    ("idempotency_keys", CHANGED),
    ("movie_staff_m2m", CHANGED),
    ("movie_tags", &["SELECT"]),
    ("movie_titles", &["SELECT"]),
    ("movies", CHANGED),
    ("person_names", &["SELECT"]),
    ("person_position", CHANGED),
    ("persons", CHANGED),
    ("publication_tags", &["SELECT"]),
    ("publication_titles", &["SELECT"]),
    ("publication_words", &["SELECT"]),
    ("publications", CHANGED),
    ("publications_category", CHANGED),
    ("rating_totals", &["SELECT"]),
    ("schema_steps", &["SELECT"]),
    ("seaql_migrations", &["SELECT"]),
    ("seeding_steps", &["SELECT"]),
    ("sessions", CHANGED),
    ("tags", CHANGED),
    ("user_movie_orders", &["SELECT", "INSERT"]),
    ("user_roles", CHANGED),
    ("users", &["SELECT", "INSERT", "UPDATE"]),
    ("users_rating", CHANGED),
];

const CHANGED: &[&str] = &["SELECT", "INSERT", "UPDATE", "DELETE"];

/// The tables, each with the rights that are missing there, and who it is that lacks them.
const MISSING: &str = "
    SELECT current_user::text, needed.name, string_agg(needed.privilege, ', ' ORDER BY needed.place)
    FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS needed (name, privilege, place)
    WHERE NOT coalesce(has_table_privilege(to_regclass(needed.name), needed.privilege), true)
    GROUP BY needed.name ORDER BY needed.name";

/// Tables whose row-level security holds for the role, with the rights that it needs there, and whether a right has no
/// policy that lets rows pass. A policy for all rows, unless a restrictive one takes some away, is as good as none.
const ROW_SECURITY: &str = "
    WITH needed AS (
        SELECT to_regclass(name) AS relation, name, privilege, place
        FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS needed (name, privilege, place)
    ), judged AS (
        SELECT name, privilege, place,
            coalesce(bool_or(polpermissive AND condition <> 'false')
                AND NOT bool_or(NOT polpermissive AND condition = 'false'), false) AS passes,
            coalesce(bool_or(polpermissive AND condition = 'true') AND bool_and(polpermissive), false) AS passes_all
        FROM needed LEFT JOIN (
            SELECT polrelid, polcmd, polpermissive,
                coalesce(pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid), 'true') AS condition
            FROM pg_policy
            WHERE EXISTS (SELECT FROM unnest(polroles) AS role WHERE role = 0 OR pg_has_role(role, 'USAGE'))
        ) AS policy ON polrelid = relation
            AND polcmd::text IN ('*', CASE privilege WHEN 'INSERT' THEN 'a' WHEN 'UPDATE' THEN 'w' WHEN 'DELETE' THEN 'd' ELSE 'r' END)
        WHERE row_security_active(relation)
        GROUP BY name, privilege, place
    )
    SELECT current_user::text, name, string_agg(privilege, ', ' ORDER BY place), bool_or(NOT passes)
    FROM judged WHERE NOT passes_all GROUP BY name ORDER BY name";

/// What a role may not do to a table, and has to.
#[derive(Clone, Debug)]
pub struct MissingRights {
    /// The table.
    pub table: String,
    role: String,
    rights: String,
}

impl MissingRights {
    /// The statement that gives them.
    pub fn grant(&self) -> String {
        let Self { table, role, rights } = self;
        format!("GRANT {rights} ON {table} TO {role:?};")
    }
}

/// The rights that the connection's role lacks. Tables that are not there yet belong to whoever migrates.
///
/// # Errors
/// Whatever the database answers.
pub async fn missing(db: &DatabaseConnection, access: Access) -> Result<Vec<MissingRights>, DbErr> {
    if db.get_database_backend() != DbBackend::Postgres {
        return Ok(Vec::new());
    }
    let (tables, rights) = needed(access);
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, MISSING, [tables.into(), rights.into()]);
    let rows = db.query_all_raw(statement).await?.into_iter();
    rows.map(|row| {
        let (role, table, rights): (String, String, String) = row.try_get_many_by_index()?;
        Ok(MissingRights { table, role, rights })
    })
    .collect()
}

/// Tables, and a right that is needed on each.
fn needed(access: Access) -> (Vec<String>, Vec<String>) {
    let needed = NEEDED.iter().flat_map(|(table, rights)| rights.iter().map(|right| (*table, *right)));
    let needed = needed.filter(|(_, right)| access == Access::Write || *right == "SELECT");
    needed.map(|(table, right)| (table.to_owned(), right.to_owned())).unzip()
}

/// Passes if the connection's role may do to the tables what the server does, or read them where it only reads.
/// Tables that are not there yet belong to whoever migrates.
///
/// # Errors
/// The statements that give it what is missing.
pub async fn check(db: &DatabaseConnection, url: &DatabaseUrl, access: Access) -> anyhow::Result<()> {
    if db.get_database_backend() != DbBackend::Postgres {
        return Ok(());
    }
    check_schema(db, url).await?;
    let missing = missing(db, access).await.with_context(|| format!("cannot read the rights on the {url}"))?;
    if !missing.is_empty() {
        let grants: Vec<_> = missing.iter().map(MissingRights::grant).collect();
        bail!("this user of the {url} lacks rights; let the owner of its tables run: {}", grants.join(" "));
    }
    let (tables, rights) = needed(access);
    check_row_security(db, url, [tables.into(), rights.into()]).await
}

/// Warns of row-level security that may hide rows.
///
/// # Errors
/// It hides all rows of a table or refuses all changes: the statements that let the role pass.
async fn check_row_security(db: &DatabaseConnection, url: &DatabaseUrl, needed: [Value; 2]) -> anyhow::Result<()> {
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, ROW_SECURITY, needed);
    let rows = db.query_all_raw(statement).await;
    let rows = rows.with_context(|| format!("cannot read the policies of the {url}"))?;
    let (mut policies, mut filtered) = (Vec::new(), Vec::new());
    for row in rows {
        let (role, table, rights, is_closed): (String, String, String, bool) = row.try_get_many_by_index()?;
        match is_closed {
            true => policies.push(format!("CREATE POLICY kinoteka ON {table} TO {role:?} USING (true);")),
            false => filtered.push(format!("{table} ({rights})")),
        }
    }
    if !policies.is_empty() {
        let policies = policies.join(" ");
        bail!(
            "row-level security of the {url} hides its rows from this user; let the owner of its tables run: {policies}"
        );
    }
    if !filtered.is_empty() {
        let tables = filtered.join(", ");
        tracing::warn!("policies of the {url} may hide rows from this user, which clients then miss: {tables}");
    }
    Ok(())
}

/// Schemas of the search path that have our tables, and that the role may not look into: to it, they are empty.
const HIDDEN: &str = "
    SELECT current_user::text, namespaces.nspname::text
    FROM unnest(string_to_array(current_setting('search_path'), ',')) AS path (entry)
    JOIN pg_namespace AS namespaces
        ON namespaces.nspname = replace(trim(BOTH ' \"' FROM path.entry), '$user', current_user)
    JOIN pg_class AS tables ON tables.relnamespace = namespaces.oid AND tables.relname = 'seaql_migrations'
    WHERE to_regclass('seaql_migrations') IS NULL AND NOT has_schema_privilege(namespaces.oid, 'USAGE')
    LIMIT 1";

/// # Errors
/// The statement that lets the role look into the schema.
async fn check_schema(db: &DatabaseConnection, url: &DatabaseUrl) -> anyhow::Result<()> {
    let read = async {
        let row = db.query_one_raw(Statement::from_string(DbBackend::Postgres, HIDDEN)).await?;
        row.map(|row| row.try_get_many_by_index::<(String, String)>()).transpose()
    };
    let hidden = read.await.with_context(|| format!("cannot read the rights on the {url}"))?;
    if let Some((role, schema)) = hidden {
        bail!(
            "this user of the {url} lacks rights; let the owner of the schema run: \
             GRANT USAGE ON SCHEMA {schema:?} TO {role:?};"
        );
    }
    Ok(())
}
