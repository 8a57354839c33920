-- The feed of comments: what happened to them, in an order in which nothing is ever found behind
-- what was read. docs/subscriptions.md says what is promised and how it is read.

ALTER TABLE comment_tombstones ADD COLUMN hidden boolean NOT NULL DEFAULT false;

-- Written in the comment's own transaction, by triggers, so that any writer counts. Transactions
-- commit in another order than they take numbers: what has an `xact` below
-- pg_snapshot_xmin(pg_current_snapshot()) is complete, and what is at or above it may not be.
CREATE TABLE comment_events (
    xact xid8 NOT NULL DEFAULT pg_current_xact_id(),
    id bigint GENERATED ALWAYS AS IDENTITY,
    kind text NOT NULL,
    comment_id integer NOT NULL,
    movie_id integer,
    publication_id integer,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT comment_events_pkey PRIMARY KEY (xact, id),
    CONSTRAINT comment_events_kind_check CHECK (kind IN ('ADDED', 'EDITED', 'DELETED', 'HIDDEN'))
);
COMMENT ON TABLE comment_events IS 'Лента комментариев: что с ними произошло, ведётся триггерами';

-- One row. Positions are good within an epoch; those up to the floor were removed. `home` is the
-- database whose transaction numbers the events carry: a copy elsewhere begins a new epoch.
CREATE TABLE comment_feed (
    id boolean NOT NULL DEFAULT true,
    epoch text NOT NULL DEFAULT left(replace(gen_random_uuid()::text, '-', ''), 12),
    home text NOT NULL,
    floor_xact xid8 NOT NULL DEFAULT '0',
    floor_id bigint NOT NULL DEFAULT 0,
    floor_at timestamptz NOT NULL DEFAULT 'epoch',
    CONSTRAINT comment_feed_pkey PRIMARY KEY (id),
    CONSTRAINT comment_feed_id_check CHECK (id)
);
COMMENT ON TABLE comment_feed IS 'Эпоха ленты комментариев и граница удалённых событий';
INSERT INTO comment_feed (home)
SELECT system_identifier || '/' || pg_database.oid
FROM pg_control_system(), pg_database WHERE datname = current_database();

-- Triggers ------------------------------------------------------------------

CREATE FUNCTION comment_events_tell_added() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO comment_events (kind, comment_id, movie_id, publication_id)
    SELECT 'ADDED', id, movie_id, publication_id FROM added ORDER BY id;
    RETURN NULL;
END
$$;

CREATE TRIGGER comments_tell_added
AFTER INSERT ON comments REFERENCING NEW TABLE AS added
FOR EACH STATEMENT EXECUTE FUNCTION comment_events_tell_added();

-- A tombstone has told what happened, before it empties the comment and before both go.
CREATE FUNCTION comment_events_tell_edited() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO comment_events (kind, comment_id, movie_id, publication_id)
    SELECT 'EDITED', NEW.id, NEW.movie_id, NEW.publication_id
    WHERE NOT EXISTS (SELECT FROM comment_tombstones WHERE comment_id = NEW.id);
    RETURN NULL;
END
$$;

CREATE TRIGGER comments_tell_edited
AFTER UPDATE OF comment ON comments
FOR EACH ROW WHEN (NEW.comment IS DISTINCT FROM OLD.comment)
EXECUTE FUNCTION comment_events_tell_edited();

CREATE FUNCTION comment_events_tell_deleted() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO comment_events (kind, comment_id, movie_id, publication_id)
    SELECT 'DELETED', OLD.id, OLD.movie_id, OLD.publication_id
    WHERE NOT EXISTS (SELECT FROM comment_tombstones WHERE comment_id = OLD.id);
    RETURN OLD;
END
$$;

-- Before: afterwards the tombstone is gone as well.
CREATE TRIGGER comments_tell_deleted
BEFORE DELETE ON comments
FOR EACH ROW EXECUTE FUNCTION comment_events_tell_deleted();

CREATE FUNCTION comment_events_tell_tombstone() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO comment_events (kind, comment_id, movie_id, publication_id)
    SELECT CASE WHEN NEW.hidden THEN 'HIDDEN' ELSE 'DELETED' END, id, movie_id, publication_id
    FROM comments WHERE id = NEW.comment_id;
    RETURN NULL;
END
$$;

CREATE TRIGGER comment_tombstones_tell
AFTER INSERT ON comment_tombstones
FOR EACH ROW EXECUTE FUNCTION comment_events_tell_tombstone();

-- In a dump of the data alone these are another database's.
CREATE TRIGGER comment_events_by_triggers_alone
BEFORE INSERT ON comment_events
FOR EACH ROW WHEN (pg_trigger_depth() = 0)
EXECUTE FUNCTION pass_over();

CREATE TRIGGER comment_feed_stays_one
BEFORE INSERT ON comment_feed
FOR EACH ROW EXECUTE FUNCTION pass_over();

-- Whoever writes a comment needs no rights on the feed, and no search path.
DO $$
DECLARE
    follower regprocedure;
BEGIN
    FOR follower IN
        SELECT oid FROM pg_proc
        WHERE pronamespace = current_schema()::regnamespace AND proname LIKE 'comment\_events\_tell\_%'
    LOOP
        EXECUTE format('ALTER FUNCTION %s SECURITY DEFINER SET search_path = %I, pg_temp', follower, current_schema());
    END LOOP;
END
$$;
