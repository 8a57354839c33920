-- Takes back 0015_comment_ticks.up.sql, which has made no table.
DELETE FROM schema_steps WHERE name = '0015_comment_ticks';
