-- Takes back 0010_comment_feed.up.sql.

DROP TRIGGER comments_tell_added ON comments;
DROP TRIGGER comments_tell_edited ON comments;
DROP TRIGGER comments_tell_deleted ON comments;
DROP TRIGGER comment_tombstones_tell ON comment_tombstones;
DROP FUNCTION comment_events_tell_added();
DROP FUNCTION comment_events_tell_edited();
DROP FUNCTION comment_events_tell_deleted();
DROP FUNCTION comment_events_tell_tombstone();
DROP TABLE comment_feed;
DROP TABLE comment_events;
ALTER TABLE comment_tombstones DROP COLUMN hidden;
