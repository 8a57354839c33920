-- The feed of comments: what happened to them, in the order of the rows' ids: SQLite has one
-- writer at a time. docs/subscriptions.md says what is promised and how it is read.

ALTER TABLE comment_tombstones ADD COLUMN hidden INTEGER NOT NULL DEFAULT 0
    CONSTRAINT comment_tombstones_hidden_form CHECK (hidden IN (0, 1));

-- Written in the comment's own transaction, by triggers, so that any writer counts.
CREATE TABLE comment_events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL CONSTRAINT comment_events_kind_check CHECK (kind IN ('ADDED', 'EDITED', 'DELETED', 'HIDDEN')),
    comment_id INTEGER NOT NULL,
    movie_id INTEGER,
    publication_id INTEGER,
    at TEXT NOT NULL DEFAULT (replace(strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now'), '.000+', '+'))
        CONSTRAINT comment_events_at_form
        CHECK (at GLOB '*[0-9]+00:00' AND datetime(at) IS NOT NULL
            AND substr(at, 1, 19) IS strftime('%Y-%m-%dT%H:%M:%S', substr(at, 1, 19), '+0 days'))
) STRICT;

-- One row. Positions are good within an epoch; those up to the floor were removed.
CREATE TABLE comment_feed (
    id INTEGER PRIMARY KEY DEFAULT 1 CONSTRAINT comment_feed_id_check CHECK (id = 1),
    epoch TEXT NOT NULL DEFAULT (lower(hex(randomblob(6)))),
    floor_id INTEGER NOT NULL DEFAULT 0,
    floor_at TEXT NOT NULL DEFAULT '1970-01-01T00:00:00+00:00'
) STRICT;
INSERT INTO comment_feed DEFAULT VALUES;

-- Triggers ------------------------------------------------------------------

CREATE TRIGGER comments_tell_added
AFTER INSERT ON comments
BEGIN
    INSERT INTO comment_events (kind, comment_id, movie_id, publication_id)
    VALUES ('ADDED', NEW.id, NEW.movie_id, NEW.publication_id);
END;

-- A tombstone has told what happened, before it empties the comment and before both go.
CREATE TRIGGER comments_tell_edited
AFTER UPDATE OF comment ON comments
WHEN NEW.comment IS NOT OLD.comment
    AND NOT EXISTS (SELECT 1 FROM comment_tombstones WHERE comment_id = NEW.id)
BEGIN
    INSERT INTO comment_events (kind, comment_id, movie_id, publication_id)
    VALUES ('EDITED', NEW.id, NEW.movie_id, NEW.publication_id);
END;

-- Before: afterwards the tombstone is gone as well.
CREATE TRIGGER comments_tell_deleted
BEFORE DELETE ON comments
WHEN NOT EXISTS (SELECT 1 FROM comment_tombstones WHERE comment_id = OLD.id)
BEGIN
    INSERT INTO comment_events (kind, comment_id, movie_id, publication_id)
    VALUES ('DELETED', OLD.id, OLD.movie_id, OLD.publication_id);
END;

CREATE TRIGGER comment_tombstones_tell
AFTER INSERT ON comment_tombstones
BEGIN
    INSERT INTO comment_events (kind, comment_id, movie_id, publication_id)
    SELECT CASE WHEN NEW.hidden THEN 'HIDDEN' ELSE 'DELETED' END, id, movie_id, publication_id
    FROM comments WHERE id = NEW.comment_id;
END;
