-- Takes back 0006_tombstones.up.sql. What was emptied stays empty.

DROP TABLE comment_tombstones;
