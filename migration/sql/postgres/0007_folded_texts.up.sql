-- Folded titles and names beside the tables that hold them: alphabetical orders, filters
-- by a part of the text and the search compare these, so that case, ё, accents that float
-- and stray blanks make no difference. Sorted by code point, whatever the database's locale.
-- Triggers keep them.

-- Substrings and typos are looked up by trigrams.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_trgm') THEN
        CREATE EXTENSION pg_trgm;
        -- The mark by which the way down knows whose it is.
        COMMENT ON EXTENSION pg_trgm IS 'Триграммы для поиска кинотеки';
    END IF;
EXCEPTION WHEN insufficient_privilege THEN
    RAISE EXCEPTION 'this role may not install pg_trgm: have the database''s owner run CREATE EXTENSION pg_trgm first'
        USING ERRCODE = 'insufficient_privilege';
END
$$;

DO $$
BEGIN
    IF show_trgm('ф') = '{}' THEN
        RAISE WARNING 'under this database''s locale Cyrillic letters have no trigrams: filters by a part of a title '
            'read whole tables and no typo is forgiven; create the database with LOCALE ''C.UTF-8'' or ''ru_RU.UTF-8''';
    END IF;
END
$$;

-- The same as the program's fold, character for character: composed (NFC), lower case by
-- Unicode's rules rather than the locale's, ё as е, ς as σ, every white space as a blank, no
-- two blanks together and none at the ends; marks that stand alone (stress, dot), soft
-- hyphens and characters without width go.
CREATE FUNCTION fold_text(value text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN btrim(
    regexp_replace(
        translate(
            lower(normalize(value, NFC) COLLATE "und-x-icu") COLLATE "C",
            E'ёς\t\n\u000b\f\r\u0085\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000'
                || E'\u00ad\u0301\u0307\u200b\u200c\u200d\u2060\ufeff',
            'еσ' || repeat(' ', 24)
        ),
        '  +', ' ', 'g'
    ),
    ' '
);

-- Tables --------------------------------------------------------------------

CREATE TABLE movie_titles (
    movie_id integer PRIMARY KEY,
    title text COLLATE "C" NOT NULL,
    original text COLLATE "C",
    CONSTRAINT movie_titles_movie_id_fkey FOREIGN KEY (movie_id)
        REFERENCES movies (id) ON DELETE CASCADE
);
COMMENT ON TABLE movie_titles IS 'Названия фильмов для сортировки и поиска: без регистра, ё как е';

CREATE TABLE person_names (
    person_id integer PRIMARY KEY,
    -- Last, first and middle name, in the order of lists.
    name text COLLATE "C" NOT NULL,
    CONSTRAINT person_names_person_id_fkey FOREIGN KEY (person_id)
        REFERENCES persons (id) ON DELETE CASCADE
);
COMMENT ON TABLE person_names IS 'Имена персон для сортировки и поиска: фамилия, имя, отчество без регистра, ё как е';

CREATE TABLE publication_titles (
    publication_id integer PRIMARY KEY,
    title text COLLATE "C" NOT NULL,
    CONSTRAINT publication_titles_publication_id_fkey FOREIGN KEY (publication_id)
        REFERENCES publications (id) ON DELETE CASCADE
);
COMMENT ON TABLE publication_titles IS 'Названия публикаций для сортировки и поиска: без регистра, ё как е';

CREATE TABLE cinema_titles (
    cinema_id integer PRIMARY KEY,
    title text COLLATE "C" NOT NULL,
    CONSTRAINT cinema_titles_cinema_id_fkey FOREIGN KEY (cinema_id)
        REFERENCES cinema_online (id) ON DELETE CASCADE
);
COMMENT ON TABLE cinema_titles IS 'Названия онлайн-кинотеатров для сортировки и поиска: без регистра, ё как е';

-- Rows that exist -------------------------------------------------------------

INSERT INTO movie_titles (movie_id, title, original)
SELECT id, fold_text(title), fold_text(title_original) FROM movies;

INSERT INTO person_names (person_id, name)
SELECT id, fold_text(concat_ws(' ', last_name, first_name, mid_name)) FROM persons;

INSERT INTO publication_titles (publication_id, title)
SELECT id, fold_text(title) FROM publications;

INSERT INTO cinema_titles (cinema_id, title)
SELECT id, fold_text(title) FROM cinema_online;

-- Indexes -------------------------------------------------------------------

-- Alphabetical orders, and filters by one or two letters: what begins with them.
CREATE INDEX movie_titles_title_idx ON movie_titles (title, movie_id);
CREATE INDEX movie_titles_original_idx ON movie_titles (original, movie_id);
CREATE INDEX person_names_name_idx ON person_names (name, person_id);
CREATE INDEX publication_titles_title_idx ON publication_titles (title, publication_id);
CREATE INDEX cinema_titles_title_idx ON cinema_titles (title, cinema_id);

-- Filters by three letters or more, wherever they stand, and the search. A bulk load does
-- well to drop these four and make them again afterwards.
CREATE INDEX movie_titles_trigram_idx ON movie_titles
    USING gin (title gin_trgm_ops, original gin_trgm_ops);
CREATE INDEX person_names_trigram_idx ON person_names
    USING gin (name gin_trgm_ops);
CREATE INDEX publication_titles_trigram_idx ON publication_titles
    USING gin (title gin_trgm_ops);
CREATE INDEX cinema_titles_trigram_idx ON cinema_titles
    USING gin (title gin_trgm_ops);

-- Triggers ------------------------------------------------------------------

CREATE FUNCTION movie_titles_fold() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO movie_titles (movie_id, title, original)
    VALUES (NEW.id, fold_text(NEW.title), fold_text(NEW.title_original))
    ON CONFLICT (movie_id) DO UPDATE SET title = excluded.title, original = excluded.original;
    RETURN NULL;
END
$$;

CREATE TRIGGER movie_titles_fold
AFTER INSERT OR UPDATE OF title, title_original ON movies
FOR EACH ROW
EXECUTE FUNCTION movie_titles_fold();

CREATE FUNCTION person_names_fold() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO person_names (person_id, name)
    VALUES (NEW.id, fold_text(concat_ws(' ', NEW.last_name, NEW.first_name, NEW.mid_name)))
    ON CONFLICT (person_id) DO UPDATE SET name = excluded.name;
    RETURN NULL;
END
$$;

CREATE TRIGGER person_names_fold
AFTER INSERT OR UPDATE OF last_name, first_name, mid_name ON persons
FOR EACH ROW
EXECUTE FUNCTION person_names_fold();

CREATE FUNCTION publication_titles_fold() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO publication_titles (publication_id, title)
    VALUES (NEW.id, fold_text(NEW.title))
    ON CONFLICT (publication_id) DO UPDATE SET title = excluded.title;
    RETURN NULL;
END
$$;

CREATE TRIGGER publication_titles_fold
AFTER INSERT OR UPDATE OF title ON publications
FOR EACH ROW
EXECUTE FUNCTION publication_titles_fold();

CREATE FUNCTION cinema_titles_fold() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO cinema_titles (cinema_id, title)
    VALUES (NEW.id, fold_text(NEW.title))
    ON CONFLICT (cinema_id) DO UPDATE SET title = excluded.title;
    RETURN NULL;
END
$$;

CREATE TRIGGER cinema_titles_fold
AFTER INSERT OR UPDATE OF title ON cinema_online
FOR EACH ROW
EXECUTE FUNCTION cinema_titles_fold();

CREATE TRIGGER movie_titles_by_triggers_alone
BEFORE INSERT ON movie_titles
FOR EACH ROW WHEN (pg_trigger_depth() = 0)
EXECUTE FUNCTION pass_over();

CREATE TRIGGER person_names_by_triggers_alone
BEFORE INSERT ON person_names
FOR EACH ROW WHEN (pg_trigger_depth() = 0)
EXECUTE FUNCTION pass_over();

CREATE TRIGGER publication_titles_by_triggers_alone
BEFORE INSERT ON publication_titles
FOR EACH ROW WHEN (pg_trigger_depth() = 0)
EXECUTE FUNCTION pass_over();

CREATE TRIGGER cinema_titles_by_triggers_alone
BEFORE INSERT ON cinema_titles
FOR EACH ROW WHEN (pg_trigger_depth() = 0)
EXECUTE FUNCTION pass_over();
