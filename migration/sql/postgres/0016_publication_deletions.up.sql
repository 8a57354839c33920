-- A publication with many comments or ratings is deleted in parts: from the first on nobody sees it, and what hangs on it
-- is removed a bounded number of rows at a time.

ALTER TABLE publications ADD COLUMN deleted_at timestamptz;
CREATE INDEX publications_deleted_idx ON publications (id) WHERE deleted_at IS NOT NULL;
INSERT INTO schema_steps (name, requires) VALUES ('0016_publication_deletions', '0014_schema_steps');
