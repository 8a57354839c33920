-- How far the seeder came in the database that it fills. What it takes away for the time of the
-- load is back at the end of the same transaction, so that nothing has to be noted of it.

CREATE TABLE seeding_steps (
    name TEXT NOT NULL PRIMARY KEY,
    -- The seed and the sizes, as JSON: only the same may go on.
    parameters TEXT NOT NULL,
    rows INTEGER NOT NULL DEFAULT 0,
    started_at TEXT NOT NULL DEFAULT (replace(strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now'), '.000+', '+')),
    finished_at TEXT
) STRICT, WITHOUT ROWID;
