-- Takes back 0006_tombstones.up.sql. What was emptied stays empty.

DROP TABLE comment_tombstones;
DROP FUNCTION comment_tombstones_empty_comment();
