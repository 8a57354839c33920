-- A publication with many comments or ratings is deleted in parts: from the first on nobody sees it, and what hangs on it
-- is removed a bounded number of rows at a time.

ALTER TABLE publications ADD COLUMN deleted_at TEXT CONSTRAINT publications_deleted_at_form
    CHECK (deleted_at IS NULL OR deleted_at GLOB '*[0-9]+00:00' AND datetime(deleted_at) IS NOT NULL
        AND substr(deleted_at, 1, 19) IS strftime('%Y-%m-%dT%H:%M:%S', substr(deleted_at, 1, 19), '+0 days'));
CREATE INDEX publications_deleted_idx ON publications (id) WHERE deleted_at IS NOT NULL;
INSERT INTO schema_steps (name, requires) VALUES ('0016_publication_deletions', '0014_schema_steps');
