-- Takes back 0015_comment_ticks.up.sql. Cursors of places by tick expire.

UPDATE comment_feed
SET epoch = left(replace(gen_random_uuid()::text, '-', ''), 12), floor_xact = DEFAULT, floor_id = DEFAULT, floor_at = DEFAULT
WHERE EXISTS (SELECT FROM comment_ticks) OR floor_tick > 0;
ALTER TABLE comment_feed
    DROP CONSTRAINT comment_feed_ordering_check,
    DROP COLUMN ordering,
    DROP COLUMN floor_tick,
    DROP COLUMN floor_mark,
    DROP COLUMN floor_snapshot;
DROP TABLE comment_ticks;
DROP FUNCTION comment_feed_tick();
DROP FUNCTION comment_feed_waits(pg_snapshot);
DELETE FROM schema_steps WHERE name = '0015_comment_ticks';
