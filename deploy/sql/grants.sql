-- The rights of the server's role: only those it needs, no DDL, no ownership. Run it as the owner (dba) in the database
-- after each `kinoteka migrate up`. It can be repeated. A test compares it with the server's check at startup.

BEGIN;

-- Makes tables of later steps usable immediately. This file of that release then revokes unneeded rights.
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO kinoteka_app;

GRANT USAGE ON SCHEMA public TO kinoteka_app;
DO $$
DECLARE
    mine regclass;
BEGIN
    -- Without the tables of extensions, which belong to another role.
    FOR mine IN SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace
        AND relkind IN ('r', 'p', 'v', 'm') AND relowner = current_user::regrole
    LOOP
        EXECUTE format('REVOKE ALL ON %s FROM kinoteka_app', mine);
    END LOOP;
END
$$;

-- Tables that the API changes.
GRANT SELECT, INSERT, UPDATE, DELETE ON
    awards,
    cinema_online,
    cinema_online_movie_presence,
    comments,
    film_award_nominations_registry,
    film_award_registry,
    idempotency_keys,
    movie_staff_m2m,
    movies,
    person_position,
    persons,
    publications,
    publications_category,
    sessions,
    tags,
    user_roles,
    users_rating
TO kinoteka_app;

-- Tables without deletions, and tables that only grow.
GRANT SELECT, INSERT, UPDATE ON users TO kinoteka_app;
GRANT SELECT, INSERT ON audit_log, comment_tombstones, user_movie_orders TO kinoteka_app;

-- The feed: triggers write events. The server removes old ones and locks the feed's row.
GRANT SELECT, DELETE ON comment_events, comment_ticks TO kinoteka_app;
GRANT SELECT, UPDATE ON comment_feed TO kinoteka_app;

-- Tables that triggers write and the server only reads.
GRANT SELECT ON
    cinema_titles,
    movie_tags,
    movie_titles,
    person_names,
    publication_tags,
    publication_titles,
    publication_words,
    rating_totals
TO kinoteka_app;

-- Tables that the server reads at startup: the schema's steps, and whether a seeding was interrupted.
GRANT SELECT ON schema_steps, seaql_migrations, seeding_steps TO kinoteka_app;

COMMIT;
