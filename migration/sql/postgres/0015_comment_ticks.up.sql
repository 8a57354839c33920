-- Gives events their place in the feed by ticks, so that an open transaction holds back its own events alone.
-- docs/subscriptions.md says what rests on this, and how it is read.

INSERT INTO schema_steps (name, requires) VALUES ('0015_comment_ticks', '0014_schema_steps');

-- A tick is a snapshot. Its events are those of transactions that it shows and the tick before does not: `late` ones, which
-- that one saw running, and those from `from_xact` on. Ticks are made one after the other, and none is ever changed.
CREATE TABLE comment_ticks (
    tick bigint NOT NULL,
    -- Random: a history that is lost and written anew gives the same numbers to other ticks.
    mark bigint NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    from_xact xid8 NOT NULL,
    snapshot pg_snapshot NOT NULL,
    late xid8[] NOT NULL,
    CONSTRAINT comment_ticks_pkey PRIMARY KEY (tick)
);
COMMENT ON TABLE comment_ticks IS 'Порядок ленты комментариев: снимки, по которым события занимают в ней места';

-- The order in force, and the last tick whose events were removed. Instances of the release before know no ticks: in a
-- database that they may read, `kinoteka migrate finish` sets the order when they are gone.
ALTER TABLE comment_feed
    ADD COLUMN ordering text NOT NULL DEFAULT 'XACT',
    ADD COLUMN floor_tick bigint NOT NULL DEFAULT 0,
    ADD COLUMN floor_mark bigint NOT NULL DEFAULT 0,
    ADD COLUMN floor_snapshot pg_snapshot NOT NULL DEFAULT '1:1:',
    ADD CONSTRAINT comment_feed_ordering_check CHECK (ordering IN ('XACT', 'TICK'));
ALTER TABLE comment_feed ALTER COLUMN ordering SET DEFAULT 'TICK';

-- Whether events can be seen that no tick shows; `last` is the snapshot of the last one. What still runs is not looked for:
-- it may be long.
CREATE FUNCTION comment_feed_waits(last pg_snapshot) RETURNS boolean
LANGUAGE plpgsql STABLE SET search_path FROM CURRENT AS $$
BEGIN
    RETURN EXISTS (SELECT FROM comment_events WHERE xact >= pg_snapshot_xmax(last))
        OR EXISTS (
            SELECT FROM pg_snapshot_xip(last) AS running (xact)
            WHERE pg_visible_in_snapshot(running.xact, pg_current_snapshot())
                AND EXISTS (SELECT FROM comment_events WHERE comment_events.xact = running.xact)
        );
END
$$;

-- Makes a tick if there is something for one, and says where the feed stands. To be a statement of its own: it commits by
-- itself, and each statement in it sees what was committed before, so that a snapshot taken under the lock shows all that
-- the last tick does.
CREATE FUNCTION comment_feed_tick(
    OUT epoch text, OUT ordering text, OUT tick bigint, OUT mark bigint, OUT made boolean, OUT timeline text
)
LANGUAGE plpgsql SET search_path FROM CURRENT SET lock_timeout = '5s' AS $$
DECLARE
    last pg_snapshot;
    waits boolean;
    is_locked boolean := false;
BEGIN
    made := false;
    timeline := left(pg_walfile_name(pg_current_wal_lsn()), 8);
    LOOP
        SELECT feed.epoch, feed.ordering, coalesce(newest.tick, feed.floor_tick), coalesce(newest.mark, feed.floor_mark),
            coalesce(newest.snapshot, feed.floor_snapshot),
            feed.ordering = 'TICK' AND comment_feed_waits(coalesce(newest.snapshot, feed.floor_snapshot))
        INTO comment_feed_tick.epoch, comment_feed_tick.ordering, comment_feed_tick.tick, comment_feed_tick.mark, last, waits
        FROM comment_feed AS feed
        LEFT JOIN LATERAL (SELECT * FROM comment_ticks ORDER BY comment_ticks.tick DESC LIMIT 1) AS newest ON true;
        EXIT WHEN waits IS NOT TRUE;
        IF is_locked THEN
            INSERT INTO comment_ticks (tick, mark, from_xact, snapshot, late)
            SELECT comment_feed_tick.tick + 1, (random() * 9007199254740991)::bigint, pg_snapshot_xmax(last),
                pg_current_snapshot(), ARRAY(
                    SELECT running.xact FROM pg_snapshot_xip(last) AS running (xact)
                    WHERE pg_visible_in_snapshot(running.xact, pg_current_snapshot())
                        AND EXISTS (SELECT FROM comment_events WHERE comment_events.xact = running.xact)
                )
            RETURNING comment_ticks.tick, comment_ticks.mark INTO comment_feed_tick.tick, comment_feed_tick.mark;
            made := true;
            EXIT;
        END IF;
        IF pg_current_xact_id_if_assigned() IS NOT NULL OR current_setting('transaction_isolation') <> 'read committed' THEN
            RAISE EXCEPTION 'comment_feed_tick() must be a statement of its own, not part of a transaction that writes';
        END IF;
        -- Any number will do that no other program uses: "tickfeed" in ASCII.
        PERFORM pg_advisory_xact_lock(8388345093884831076);
        is_locked := true;
    END LOOP;
END
$$;

-- In a dump these are another database's.
CREATE TRIGGER comment_ticks_by_function_alone
BEFORE INSERT ON comment_ticks
FOR EACH ROW WHEN (NEW.snapshot::text <> pg_current_snapshot()::text)
EXECUTE FUNCTION pass_over();

-- Whoever serves or reads the feed may do the same with its ticks, and make them.
SELECT grant_like('comment_ticks', 'comment_events');
DO $$
BEGIN
    EXECUTE format(
        'ALTER FUNCTION comment_feed_tick() SECURITY DEFINER SET search_path = %I, pg_temp', current_schema()
    );
END
$$;

-- Nobody has read the feed of a database that is being made. Versions that know no ticks cannot serve it.
DO $$
DECLARE
    is_recorded boolean := false;
BEGIN
    IF to_regclass('seaql_migrations') IS NOT NULL THEN
        EXECUTE 'SELECT EXISTS (SELECT FROM seaql_migrations)' INTO is_recorded;
    END IF;
    IF NOT is_recorded THEN
        UPDATE comment_feed SET ordering = 'TICK';
        UPDATE schema_steps SET requires = name WHERE name = '0015_comment_ticks';
    END IF;
END
$$;
