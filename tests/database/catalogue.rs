//! The schema of a database, read from its catalogue and not from our SQL.

use std::collections::BTreeMap;

use sea_orm::{ConnectionTrait, DatabaseConnection, Statement};

pub use crate::support::database::read_texts;

use crate::support::database::Backend;

/// The table in which sea-orm-migration records steps. It is not part of the model.
const MIGRATIONS: &str = "seaql_migrations";

/// Runs a query of two text columns and groups the second by the first.
async fn read_groups(db: &DatabaseConnection, sql: &str) -> BTreeMap<String, Vec<String>> {
    let rows = db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await.unwrap();
    let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in rows {
        groups.entry(row.try_get_by_index(0).unwrap()).or_default().push(row.try_get_by_index(1).unwrap());
    }
    groups
}

/// The tables with their columns in order, except the migrations' table.
///
/// On PostgreSQL a column has the form of the facts. On SQLite, which has fewer types, the form is
/// `name [not null] [default]`.
pub async fn read_columns(db: &DatabaseConnection, backend: Backend) -> BTreeMap<String, Vec<String>> {
    let sql = match backend {
        Backend::Postgres => {
            "SELECT c.relname::text,
                    a.attname
                    || ' ' || replace(replace(format_type(a.atttypid, a.atttypmod),
                        'character varying', 'varchar'), 'timestamp with time zone', 'timestamptz')
                    || CASE WHEN a.attnotnull THEN ' not null' ELSE '' END
                    || CASE a.attidentity WHEN 'a' THEN ' identity' WHEN 'd' THEN ' identity by default' ELSE '' END
                    || coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid), '')
             FROM pg_class AS c
             JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
             LEFT JOIN pg_attrdef AS d ON d.adrelid = c.oid AND d.adnum = a.attnum
             WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
             ORDER BY c.relname, a.attnum"
        }
        Backend::Sqlite => {
            "SELECT t.name,
                    c.name
                    || CASE WHEN c.\"notnull\" OR c.pk THEN ' not null' ELSE '' END
                    || CASE WHEN c.dflt_value IS NULL THEN '' ELSE ' default' END
             FROM sqlite_schema AS t, pragma_table_xinfo(t.name) AS c
             WHERE t.type IN ('table', 'view') AND t.name NOT LIKE 'sqlite|_%' ESCAPE '|'
             ORDER BY t.name, c.cid"
        }
    };
    let mut tables = read_groups(db, sql).await;
    tables.remove(MIGRATIONS).expect("the steps are recorded");
    tables
}

/// The foreign keys in the form and order of the facts.
pub async fn read_foreign_keys(db: &DatabaseConnection, backend: Backend) -> Vec<String> {
    let sql = match backend {
        Backend::Postgres => {
            "SELECT conrelid::regclass::text || '.' || a.attname || ' -> ' || confrelid::regclass::text || ' '
                    || CASE confdeltype WHEN 'r' THEN 'restrict' WHEN 'c' THEN 'cascade' WHEN 'n' THEN 'set null'
                       ELSE 'no action' END
                    || CASE WHEN confkey = '{1}' THEN '' ELSE ' by another column' END
                    || CASE WHEN confupdtype = 'a' AND convalidated AND NOT condeferrable THEN '' ELSE ' oddly' END
             FROM pg_constraint
             JOIN pg_attribute AS a ON a.attrelid = conrelid AND conkey = ARRAY[a.attnum]
             WHERE contype = 'f' AND connamespace = 'public'::regnamespace"
        }
        Backend::Sqlite => {
            "SELECT t.name || '.' || k.\"from\" || ' -> ' || k.\"table\" || ' ' || lower(k.on_delete)
                    || CASE WHEN k.\"to\" = 'id' THEN '' ELSE ' by another column' END
                    || CASE WHEN k.on_update = 'NO ACTION' AND k.seq = 0 THEN '' ELSE ' oddly' END
             FROM sqlite_schema AS t, pragma_foreign_key_list(t.name) AS k
             WHERE t.type = 'table'"
        }
    };
    let mut keys = read_texts(db, sql).await;
    keys.sort();
    keys
}

/// The indexes by name in the form of the facts, except the migrations' index.
///
/// An expression is shown on PostgreSQL. On SQLite, which does not report it, it is `?`.
pub async fn read_indexes(db: &DatabaseConnection, backend: Backend) -> BTreeMap<String, String> {
    let sql = match backend {
        Backend::Postgres => format!(
            "SELECT i.relname::text,
                    CASE WHEN x.indisunique THEN 'unique ' ELSE '' END || x.indrelid::regclass::text || ' '
                    || substring(pg_get_indexdef(x.indexrelid) FROM ' USING (.*)$')
             FROM pg_index AS x
             JOIN pg_class AS i ON i.oid = x.indexrelid
             WHERE i.relnamespace = 'public'::regnamespace AND x.indrelid <> '{MIGRATIONS}'::regclass
               AND x.indisvalid AND x.indisready"
        ),
        Backend::Sqlite => format!(
            "SELECT i.name,
                    CASE WHEN i.\"unique\" THEN 'unique ' ELSE '' END || t.name || ' btree ('
                    || (SELECT group_concat(coalesce(name, '?'), ', ') FROM pragma_index_info(i.name))
                    || ')' || CASE WHEN i.partial THEN (SELECT ' WHERE (' || substr(sql, instr(sql, 'WHERE ') + 6) || ')'
                           FROM sqlite_schema WHERE name = i.name) ELSE '' END
             FROM sqlite_schema AS t, pragma_index_list(t.name) AS i
             WHERE t.type = 'table' AND t.name <> '{MIGRATIONS}'"
        ),
    };
    read_groups(db, &sql).await.into_iter().map(|(name, mut text)| (name, text.remove(0))).collect()
}

/// The whole schema as sorted lines, for comparison.
pub async fn dump(db: &DatabaseConnection, backend: Backend) -> Vec<String> {
    let sql = match backend {
        Backend::Postgres => DUMP_POSTGRES.replace("{MIGRATIONS}", MIGRATIONS),
        Backend::Sqlite => format!(
            "SELECT type || ' ' || name || ' on ' || tbl_name || ': ' || coalesce(sql, 'implied') AS line
             FROM sqlite_schema
             WHERE name NOT LIKE 'sqlite|_%' ESCAPE '|' AND tbl_name <> '{MIGRATIONS}'
             ORDER BY line"
        ),
    };
    read_texts(db, &sql).await
}

const DUMP_POSTGRES: &str = "
    WITH relations AS (
        SELECT oid, relname, relkind::text AS kind, relpersistence::text AS persistence
        FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relname NOT LIKE '{MIGRATIONS}%'
    ), lines AS (
        SELECT format('relation %s: kind %s, persistence %s', relname, kind, persistence) AS line FROM relations
        UNION ALL
        SELECT format('column %s.%s at %s: %s, null %s, identity %L, default %L, collation %s', relname, attname,
                      row_number() OVER (PARTITION BY attrelid ORDER BY attnum),
                      format_type(atttypid, atttypmod), NOT attnotnull, attidentity,
                      pg_get_expr(adbin, adrelid), attcollation::regcollation)
        FROM relations
        JOIN pg_attribute ON attrelid = relations.oid AND attnum > 0 AND kind <> 'i' AND NOT attisdropped
        LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
        UNION ALL
        SELECT format('constraint %s on %s: %s, valid %s', conname, relname, pg_get_constraintdef(pg_constraint.oid),
                      convalidated)
        FROM relations JOIN pg_constraint ON conrelid = relations.oid
        UNION ALL
        SELECT format('index %s: %s', relname, pg_get_indexdef(oid)) FROM relations WHERE kind = 'i'
        UNION ALL
        SELECT format('trigger on %s: %s, enabled %s', relname, pg_get_triggerdef(pg_trigger.oid), tgenabled)
        FROM relations JOIN pg_trigger ON tgrelid = relations.oid AND NOT tgisinternal
        UNION ALL
        SELECT format('function: %s', pg_get_functiondef(oid))
        FROM pg_proc WHERE pronamespace = 'public'::regnamespace
        UNION ALL
        SELECT format('comment on %s, part %s: %s', relname, objsubid, description)
        FROM relations JOIN pg_description ON objoid = relations.oid AND classoid = 'pg_class'::regclass
        UNION ALL
        SELECT format('type %s', typname)
        FROM pg_type WHERE typnamespace = 'public'::regnamespace AND typname NOT LIKE '%{MIGRATIONS}%'
        UNION ALL
        SELECT format('comment on the database: %s', shobj_description(oid, 'pg_database'))
        FROM pg_database WHERE datname = current_database()
    )
    SELECT line FROM lines ORDER BY line";
