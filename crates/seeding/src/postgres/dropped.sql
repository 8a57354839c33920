-- The objects of the tables $1 (their oids) that a bulk load should drop, with the statements that restore and drop
-- them. Runs with an empty search path, so that all names in definitions include their schema.
--
-- Not dropped: primary keys, indexes that a foreign key or replication uses, exclusion constraints, and invalid
-- objects.
WITH indexes AS (
    SELECT i.oid, x.indrelid, k.oid AS key, k.conname, k.condeferrable, k.condeferred,
        pg_get_indexdef(i.oid)
        || CASE WHEN s.spcname IS NULL THEN '' ELSE format('; ALTER INDEX %s SET TABLESPACE %I', i.oid::regclass, s.spcname) END
        || format('; COMMENT ON INDEX %s IS %L', i.oid::regclass, obj_description(i.oid, 'pg_class'))
        || CASE WHEN x.indisclustered THEN format('; ALTER TABLE %s CLUSTER ON %I', x.indrelid::regclass, i.relname) ELSE '' END
        || coalesce((
            SELECT string_agg(format('; ALTER INDEX %s ALTER COLUMN %s SET STATISTICS %s', i.oid::regclass, attnum, attstattarget), '')
            FROM pg_attribute WHERE attrelid = i.oid AND attstattarget >= 0
        ), '') AS definition
    FROM pg_index AS x
    JOIN pg_class AS i ON i.oid = x.indexrelid
    LEFT JOIN pg_tablespace AS s ON s.oid = i.reltablespace
    LEFT JOIN pg_constraint AS k ON k.conindid = i.oid AND k.conrelid = x.indrelid AND k.contype = 'u'
    WHERE x.indrelid = ANY($1) AND x.indisvalid AND x.indisready AND NOT x.indisprimary AND NOT x.indisreplident
        AND NOT EXISTS (SELECT FROM pg_constraint AS f WHERE f.conindid = i.oid AND f.contype IN ('f', 'x'))
), keys AS (
    SELECT oid, conrelid, conname, convalidated, pg_get_constraintdef(oid) AS definition
    FROM pg_constraint WHERE contype = 'f' AND conrelid = ANY($1)
)
SELECT 1::smallint AS phase, indrelid::regclass::text AS target, definition AS statement,
    CASE WHEN key IS NULL THEN format('DROP INDEX %s', oid::regclass)
         ELSE format('ALTER TABLE %s DROP CONSTRAINT %I', indrelid::regclass, conname) END AS removal
FROM indexes
UNION ALL
SELECT 2::smallint, indrelid::regclass::text,
    format('ALTER TABLE %s ADD CONSTRAINT %I UNIQUE USING INDEX %I%s%s', indrelid::regclass, conname, conname,
        CASE WHEN condeferrable THEN ' DEFERRABLE' ELSE '' END,
        CASE WHEN condeferred THEN ' INITIALLY DEFERRED' ELSE '' END)
    || format('; COMMENT ON CONSTRAINT %I ON %s IS %L', conname, indrelid::regclass, obj_description(key, 'pg_constraint')),
    NULL
FROM indexes WHERE key IS NOT NULL
UNION ALL
SELECT 2::smallint, conrelid::regclass::text,
    format('ALTER TABLE %s ADD CONSTRAINT %I %s%s', conrelid::regclass, conname, definition,
        CASE WHEN convalidated THEN ' NOT VALID' ELSE '' END)
    || format('; COMMENT ON CONSTRAINT %I ON %s IS %L', conname, conrelid::regclass, obj_description(oid, 'pg_constraint')),
    format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname)
FROM keys
UNION ALL
SELECT 3::smallint, conrelid::regclass::text, format('ALTER TABLE %s VALIDATE CONSTRAINT %I', conrelid::regclass, conname), NULL
FROM keys WHERE convalidated
