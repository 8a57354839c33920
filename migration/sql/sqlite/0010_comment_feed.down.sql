-- Takes back 0010_comment_feed.up.sql.

DROP TRIGGER comments_tell_added;
DROP TRIGGER comments_tell_edited;
DROP TRIGGER comments_tell_deleted;
DROP TRIGGER comment_tombstones_tell;
DROP TABLE comment_feed;
DROP TABLE comment_events;
ALTER TABLE comment_tombstones DROP COLUMN hidden;
