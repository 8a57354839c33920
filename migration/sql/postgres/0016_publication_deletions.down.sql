-- Takes back 0016_publication_deletions.up.sql. Whoever deleted a publication does not want to see it again.

DELETE FROM schema_steps WHERE name = '0016_publication_deletions';
DELETE FROM publications WHERE deleted_at IS NOT NULL;
DROP INDEX publications_deleted_idx;
ALTER TABLE publications DROP COLUMN deleted_at;
