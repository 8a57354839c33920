//! The rights that a PostgreSQL role needs, and row-level security. Both are checked at start, before users are
//! affected.

use anyhow::{Context, bail};
use migration::connect::{Access, DatabaseUrl};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr, Statement, Value};

/// The tables in the server's statements, with the rights needed on each. Triggers do not need rights of the role that
/// fires them. Locking rows needs the right to update them.
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

/// The tables with the rights that are missing on each, and the role that lacks them.
const MISSING: &str = "
    SELECT current_user::text, needed.name, string_agg(needed.privilege, ', ' ORDER BY needed.place)
    FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS needed (name, privilege, place)
    WHERE NOT coalesce(has_table_privilege(to_regclass(needed.name), needed.privilege), true)
    GROUP BY needed.name ORDER BY needed.name";

/// Tables whose row-level security applies to the role, with the rights that it needs there, and whether a right has no
/// policy that admits rows. A policy that admits all rows does not count as security unless a restrictive policy
/// removes some.
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

/// The rights that a role lacks on a table.
#[derive(Clone, Debug)]
pub struct MissingRights {
    /// The table.
    pub table: String,
    role: String,
    rights: String,
}

impl MissingRights {
    /// The statement that grants them.
    pub fn grant(&self) -> String {
        let Self { table, role, rights } = self;
        format!("GRANT {rights} ON {table} TO {role:?};")
    }
}

/// The rights that the connection's role lacks. Missing tables are skipped: the migration's role will own them.
///
/// # Errors
/// The database failed.
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

/// The tables, and the right needed on each.
fn needed(access: Access) -> (Vec<String>, Vec<String>) {
    let needed = NEEDED.iter().flat_map(|(table, rights)| rights.iter().map(|right| (*table, *right)));
    let needed = needed.filter(|(_, right)| access == Access::Write || *right == "SELECT");
    needed.map(|(table, right)| (table.to_owned(), right.to_owned())).unzip()
}

/// Checks that the connection's role has the rights that the server needs on the tables, or only those for reads.
/// Missing tables are skipped: the migration's role will own them.
///
/// # Errors
/// The statements that grant the missing rights.
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

/// Warns about row-level security that may hide rows.
///
/// # Errors
/// It hides all rows of a table or refuses all changes. The error has the statements that add the policies.
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
        tracing::warn!("policies of the {url} may hide rows from this user, and so from clients: {tables}");
    }
    Ok(())
}

/// Schemas of the search path that contain our tables and that the role may not use. To the role, they seem empty.
const HIDDEN: &str = "
    SELECT current_user::text, namespaces.nspname::text
    FROM unnest(string_to_array(current_setting('search_path'), ',')) AS path (entry)
    JOIN pg_namespace AS namespaces
        ON namespaces.nspname = replace(trim(BOTH ' \"' FROM path.entry), '$user', current_user)
    JOIN pg_class AS tables ON tables.relnamespace = namespaces.oid AND tables.relname = 'seaql_migrations'
    WHERE to_regclass('seaql_migrations') IS NULL AND NOT has_schema_privilege(namespaces.oid, 'USAGE')
    LIMIT 1";

/// # Errors
/// The statement that lets the role use the schema.
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
