-- Comments that were deleted while they had replies: the row stays, so that the thread holds
-- together, without its text and its author.

CREATE TABLE comment_tombstones (
    comment_id INTEGER PRIMARY KEY REFERENCES comments (id) ON DELETE CASCADE,
    deleted_at TEXT NOT NULL DEFAULT (replace(strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now'), '.000+', '+'))
        CONSTRAINT comment_tombstones_deleted_at_form
        CHECK (deleted_at GLOB '*[0-9]+00:00' AND datetime(deleted_at) IS NOT NULL
            AND substr(deleted_at, 1, 19) IS strftime('%Y-%m-%dT%H:%M:%S', substr(deleted_at, 1, 19), '+0 days'))
) STRICT;

CREATE TRIGGER comment_tombstones_empty
AFTER INSERT ON comment_tombstones
BEGIN
    UPDATE comments SET comment = '', user_id = NULL WHERE id = NEW.comment_id;
END;
