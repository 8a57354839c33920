-- What users gave each movie and publication, summed up: lists are ordered by the average
-- through an index, and nothing is counted when it is read. Triggers keep it.

CREATE TABLE rating_totals (
    id INTEGER PRIMARY KEY,
    movie_id INTEGER CONSTRAINT rating_totals_movie_id_key UNIQUE REFERENCES movies (id) ON DELETE CASCADE,
    publication_id INTEGER CONSTRAINT rating_totals_publication_id_key UNIQUE
        REFERENCES publications (id) ON DELETE CASCADE,
    given_1 INTEGER NOT NULL DEFAULT 0,
    given_2 INTEGER NOT NULL DEFAULT 0,
    given_3 INTEGER NOT NULL DEFAULT 0,
    given_4 INTEGER NOT NULL DEFAULT 0,
    given_5 INTEGER NOT NULL DEFAULT 0,
    -- In thousandths, rounded; without ratings there is none.
    average INTEGER GENERATED ALWAYS AS (
        (1000 * (given_1 + 2 * given_2 + 3 * given_3 + 4 * given_4 + 5 * given_5)
            + (given_1 + given_2 + given_3 + given_4 + given_5) / 2)
        / nullif(given_1 + given_2 + given_3 + given_4 + given_5, 0)
    ) STORED,
    CONSTRAINT rating_totals_subject_check CHECK ((movie_id IS NULL) <> (publication_id IS NULL)),
    CONSTRAINT rating_totals_given_check CHECK (min(given_1, given_2, given_3, given_4, given_5) >= 0)
) STRICT;

CREATE INDEX rating_totals_movie_average_idx ON rating_totals (average, movie_id) WHERE movie_id IS NOT NULL;
CREATE INDEX rating_totals_publication_average_idx ON rating_totals (average, publication_id)
    WHERE publication_id IS NOT NULL;

-- Every subject has its row from the start, or lists ordered by it would lose some.
CREATE TRIGGER movies_begin_rating_totals
AFTER INSERT ON movies
BEGIN
    INSERT INTO rating_totals (movie_id) VALUES (NEW.id);
END;

CREATE TRIGGER publications_begin_rating_totals
AFTER INSERT ON publications
BEGIN
    INSERT INTO rating_totals (publication_id) VALUES (NEW.id);
END;

CREATE TRIGGER users_rating_count_inserted
AFTER INSERT ON users_rating
BEGIN
    UPDATE rating_totals SET
        given_1 = given_1 + (NEW.rating = 1),
        given_2 = given_2 + (NEW.rating = 2),
        given_3 = given_3 + (NEW.rating = 3),
        given_4 = given_4 + (NEW.rating = 4),
        given_5 = given_5 + (NEW.rating = 5)
    WHERE movie_id = NEW.movie_id OR publication_id = NEW.publication_id;
END;

CREATE TRIGGER users_rating_count_deleted
AFTER DELETE ON users_rating
BEGIN
    UPDATE rating_totals SET
        given_1 = given_1 - (OLD.rating = 1),
        given_2 = given_2 - (OLD.rating = 2),
        given_3 = given_3 - (OLD.rating = 3),
        given_4 = given_4 - (OLD.rating = 4),
        given_5 = given_5 - (OLD.rating = 5)
    WHERE movie_id = OLD.movie_id OR publication_id = OLD.publication_id;
END;

CREATE TRIGGER users_rating_count_updated_from
AFTER UPDATE ON users_rating
BEGIN
    UPDATE rating_totals SET
        given_1 = given_1 - (OLD.rating = 1),
        given_2 = given_2 - (OLD.rating = 2),
        given_3 = given_3 - (OLD.rating = 3),
        given_4 = given_4 - (OLD.rating = 4),
        given_5 = given_5 - (OLD.rating = 5)
    WHERE movie_id = OLD.movie_id OR publication_id = OLD.publication_id;
END;

CREATE TRIGGER users_rating_count_updated_to
AFTER UPDATE ON users_rating
BEGIN
    UPDATE rating_totals SET
        given_1 = given_1 + (NEW.rating = 1),
        given_2 = given_2 + (NEW.rating = 2),
        given_3 = given_3 + (NEW.rating = 3),
        given_4 = given_4 + (NEW.rating = 4),
        given_5 = given_5 + (NEW.rating = 5)
    WHERE movie_id = NEW.movie_id OR publication_id = NEW.publication_id;
END;

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
