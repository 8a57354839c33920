-- What users gave each movie and publication, summed up: lists are ordered by the average
-- through an index, and nothing is counted when it is read. Triggers keep it, so that every
-- writer counts, psql and COPY too.

CREATE TABLE rating_totals (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    movie_id integer,
    publication_id integer,
    given_1 integer NOT NULL DEFAULT 0,
    given_2 integer NOT NULL DEFAULT 0,
    given_3 integer NOT NULL DEFAULT 0,
    given_4 integer NOT NULL DEFAULT 0,
    given_5 integer NOT NULL DEFAULT 0,
    -- In thousandths, rounded; without ratings there is none.
    average integer,
    CONSTRAINT rating_totals_movie_id_key UNIQUE (movie_id),
    CONSTRAINT rating_totals_publication_id_key UNIQUE (publication_id),
    CONSTRAINT rating_totals_movie_id_fkey FOREIGN KEY (movie_id)
        REFERENCES movies (id) ON DELETE CASCADE,
    CONSTRAINT rating_totals_publication_id_fkey FOREIGN KEY (publication_id)
        REFERENCES publications (id) ON DELETE CASCADE,
    CONSTRAINT rating_totals_subject_check CHECK (num_nonnulls(movie_id, publication_id) = 1),
    CONSTRAINT rating_totals_given_check CHECK (least(given_1, given_2, given_3, given_4, given_5) >= 0)
);
COMMENT ON TABLE rating_totals IS 'Итоги оценок фильмов и публикаций, ведутся триггерами';

CREATE INDEX rating_totals_movie_average_idx ON rating_totals (average, movie_id) WHERE movie_id IS NOT NULL;
CREATE INDEX rating_totals_publication_average_idx ON rating_totals (average, publication_id)
    WHERE publication_id IS NOT NULL;

CREATE FUNCTION rating_totals_set_average() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    given bigint := NEW.given_1::bigint + NEW.given_2 + NEW.given_3 + NEW.given_4 + NEW.given_5;
    total bigint := NEW.given_1::bigint + 2 * NEW.given_2::bigint + 3 * NEW.given_3::bigint
        + 4 * NEW.given_4::bigint + 5 * NEW.given_5::bigint;
BEGIN
    NEW.average := (1000 * total + given / 2) / nullif(given, 0);
    RETURN NEW;
END
$$;

CREATE TRIGGER rating_totals_average
BEFORE INSERT OR UPDATE ON rating_totals
FOR EACH ROW EXECUTE FUNCTION rating_totals_set_average();

-- Every subject has its row from the start, or lists ordered by it would lose some.
CREATE FUNCTION rating_totals_begin() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_TABLE_NAME = 'movies' THEN
        INSERT INTO rating_totals (movie_id) SELECT id FROM added;
    ELSE
        INSERT INTO rating_totals (publication_id) SELECT id FROM added;
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER movies_begin_rating_totals
AFTER INSERT ON movies REFERENCING NEW TABLE AS added
FOR EACH STATEMENT EXECUTE FUNCTION rating_totals_begin();

CREATE TRIGGER publications_begin_rating_totals
AFTER INSERT ON publications REFERENCING NEW TABLE AS added
FOR EACH STATEMENT EXECUTE FUNCTION rating_totals_begin();

-- Counts the ratings in `changed` in (1) or out (-1). Rows are locked in one order first, so
-- that two inserts, or two deletions, of several ratings cannot wait for each other. (An upsert
-- that both inserts and updates several may meet another in a deadlock, and is repeated.)
CREATE FUNCTION rating_totals_count() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    sign constant integer := TG_ARGV[0];
BEGIN
    PERFORM FROM rating_totals WHERE movie_id IN (SELECT movie_id FROM changed) ORDER BY id FOR UPDATE;
    UPDATE rating_totals AS totals SET
        given_1 = totals.given_1 + sign * change.given_1,
        given_2 = totals.given_2 + sign * change.given_2,
        given_3 = totals.given_3 + sign * change.given_3,
        given_4 = totals.given_4 + sign * change.given_4,
        given_5 = totals.given_5 + sign * change.given_5
    FROM (
        SELECT movie_id,
            count(*) FILTER (WHERE rating = 1) AS given_1,
            count(*) FILTER (WHERE rating = 2) AS given_2,
            count(*) FILTER (WHERE rating = 3) AS given_3,
            count(*) FILTER (WHERE rating = 4) AS given_4,
            count(*) FILTER (WHERE rating = 5) AS given_5
        FROM changed WHERE movie_id IS NOT NULL GROUP BY movie_id
    ) AS change
    WHERE totals.movie_id = change.movie_id;

    PERFORM FROM rating_totals WHERE publication_id IN (SELECT publication_id FROM changed) ORDER BY id FOR UPDATE;
    UPDATE rating_totals AS totals SET
        given_1 = totals.given_1 + sign * change.given_1,
        given_2 = totals.given_2 + sign * change.given_2,
        given_3 = totals.given_3 + sign * change.given_3,
        given_4 = totals.given_4 + sign * change.given_4,
        given_5 = totals.given_5 + sign * change.given_5
    FROM (
        SELECT publication_id,
            count(*) FILTER (WHERE rating = 1) AS given_1,
            count(*) FILTER (WHERE rating = 2) AS given_2,
            count(*) FILTER (WHERE rating = 3) AS given_3,
            count(*) FILTER (WHERE rating = 4) AS given_4,
            count(*) FILTER (WHERE rating = 5) AS given_5
        FROM changed WHERE publication_id IS NOT NULL GROUP BY publication_id
    ) AS change
    WHERE totals.publication_id = change.publication_id;
    RETURN NULL;
END
$$;

CREATE TRIGGER users_rating_count_inserted
AFTER INSERT ON users_rating REFERENCING NEW TABLE AS changed
FOR EACH STATEMENT EXECUTE FUNCTION rating_totals_count('1');

CREATE TRIGGER users_rating_count_deleted
AFTER DELETE ON users_rating REFERENCING OLD TABLE AS changed
FOR EACH STATEMENT EXECUTE FUNCTION rating_totals_count('-1');

CREATE TRIGGER users_rating_count_updated_from
AFTER UPDATE ON users_rating REFERENCING OLD TABLE AS changed
FOR EACH STATEMENT EXECUTE FUNCTION rating_totals_count('-1');

CREATE TRIGGER users_rating_count_updated_to
AFTER UPDATE ON users_rating REFERENCING NEW TABLE AS changed
FOR EACH STATEMENT EXECUTE FUNCTION rating_totals_count('1');

-- The subjects and the ratings that are there already.
INSERT INTO rating_totals (movie_id, given_1, given_2, given_3, given_4, given_5)
SELECT movies.id,
    count(*) FILTER (WHERE users_rating.rating = 1),
    count(*) FILTER (WHERE users_rating.rating = 2),
    count(*) FILTER (WHERE users_rating.rating = 3),
    count(*) FILTER (WHERE users_rating.rating = 4),
    count(*) FILTER (WHERE users_rating.rating = 5)
FROM movies LEFT JOIN users_rating ON users_rating.movie_id = movies.id
GROUP BY movies.id ORDER BY movies.id;

INSERT INTO rating_totals (publication_id, given_1, given_2, given_3, given_4, given_5)
SELECT publications.id,
    count(*) FILTER (WHERE users_rating.rating = 1),
    count(*) FILTER (WHERE users_rating.rating = 2),
    count(*) FILTER (WHERE users_rating.rating = 3),
    count(*) FILTER (WHERE users_rating.rating = 4),
    count(*) FILTER (WHERE users_rating.rating = 5)
FROM publications LEFT JOIN users_rating ON users_rating.publication_id = publications.id
GROUP BY publications.id ORDER BY publications.id;

-- A side table is written by its triggers alone. A dump of the data alone holds its rows too;
-- they are passed over, since the triggers make the same ones.
CREATE FUNCTION pass_over() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RETURN NULL;
END
$$;

CREATE TRIGGER rating_totals_by_triggers_alone
BEFORE INSERT ON rating_totals
FOR EACH ROW WHEN (pg_trigger_depth() = 0)
EXECUTE FUNCTION pass_over();
