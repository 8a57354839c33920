-- Takes back 0001_tables.up.sql, with all data.

DROP TABLE users_rating;
DROP TABLE comments;
DROP TABLE publications;
DROP TABLE user_movie_orders;
DROP TABLE users;
DROP TABLE cinema_online_movie_presence;
DROP TABLE awards;
DROP TABLE movie_staff_m2m;
DROP TABLE persons;
DROP TABLE movies;
DROP TABLE publications_category;
DROP TABLE cinema_online;
DROP TABLE film_award_nominations_registry;
DROP TABLE film_award_registry;
DROP TABLE person_position;
DROP TABLE tags;

DROP FUNCTION comments_check_parent_subject();
DROP FUNCTION comments_refuse_move();

DO $$
BEGIN
    EXECUTE format('COMMENT ON DATABASE %I IS NULL', current_database());
EXCEPTION WHEN insufficient_privilege THEN
    RAISE WARNING 'the database keeps its comment: only its owner may clear it';
END
$$;
