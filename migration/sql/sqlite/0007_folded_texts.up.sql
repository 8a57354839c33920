-- Folded titles and names beside the tables that hold them: alphabetical orders, filters
-- by a part of the text and the search compare these, so that case, ё, accents that float
-- and stray blanks make no difference. Triggers keep them.

-- SQLite's lower() knows ASCII only. These are the letters of the alphabets that our titles
-- come in; others stay as they are, and marks that are characters of their own stay unless
-- they stand below. On PostgreSQL all of Unicode is folded.
CREATE TABLE fold_letters (
    letter TEXT NOT NULL PRIMARY KEY,
    folded TEXT NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO fold_letters (letter, folded) VALUES
    ('A', 'a'), ('B', 'b'), ('C', 'c'), ('D', 'd'), ('E', 'e'), ('F', 'f'), ('G', 'g'), ('H', 'h'),
    ('I', 'i'), ('J', 'j'), ('K', 'k'), ('L', 'l'), ('M', 'm'), ('N', 'n'), ('O', 'o'), ('P', 'p'),
    ('Q', 'q'), ('R', 'r'), ('S', 's'), ('T', 't'), ('U', 'u'), ('V', 'v'), ('W', 'w'), ('X', 'x'),
    ('Y', 'y'), ('Z', 'z'),
    ('Ѐ', 'ѐ'), ('Ё', 'е'), ('Ђ', 'ђ'), ('Ѓ', 'ѓ'), ('Є', 'є'), ('Ѕ', 'ѕ'), ('І', 'і'), ('Ї', 'ї'),
    ('Ј', 'ј'), ('Љ', 'љ'), ('Њ', 'њ'), ('Ћ', 'ћ'), ('Ќ', 'ќ'), ('Ѝ', 'ѝ'), ('Ў', 'ў'), ('Џ', 'џ'),
    ('А', 'а'), ('Б', 'б'), ('В', 'в'), ('Г', 'г'), ('Д', 'д'), ('Е', 'е'), ('Ж', 'ж'), ('З', 'з'),
    ('И', 'и'), ('Й', 'й'), ('К', 'к'), ('Л', 'л'), ('М', 'м'), ('Н', 'н'), ('О', 'о'), ('П', 'п'),
    ('Р', 'р'), ('С', 'с'), ('Т', 'т'), ('У', 'у'), ('Ф', 'ф'), ('Х', 'х'), ('Ц', 'ц'), ('Ч', 'ч'),
    ('Ш', 'ш'), ('Щ', 'щ'), ('Ъ', 'ъ'), ('Ы', 'ы'), ('Ь', 'ь'), ('Э', 'э'), ('Ю', 'ю'), ('Я', 'я'),
    ('À', 'à'), ('Á', 'á'), ('Â', 'â'), ('Ã', 'ã'), ('Ä', 'ä'), ('Å', 'å'), ('Æ', 'æ'), ('Ç', 'ç'),
    ('È', 'è'), ('É', 'é'), ('Ê', 'ê'), ('Ë', 'ë'), ('Ì', 'ì'), ('Í', 'í'), ('Î', 'î'), ('Ï', 'ï'),
    ('Ð', 'ð'), ('Ñ', 'ñ'), ('Ò', 'ò'), ('Ó', 'ó'), ('Ô', 'ô'), ('Õ', 'õ'), ('Ö', 'ö'), ('Ø', 'ø'),
    ('Ù', 'ù'), ('Ú', 'ú'), ('Û', 'û'), ('Ü', 'ü'), ('Ý', 'ý'), ('Þ', 'þ'),
    ('Ā', 'ā'), ('Ă', 'ă'), ('Ą', 'ą'), ('Ć', 'ć'), ('Ĉ', 'ĉ'), ('Ċ', 'ċ'), ('Č', 'č'), ('Ď', 'ď'),
    ('Đ', 'đ'), ('Ē', 'ē'), ('Ĕ', 'ĕ'), ('Ė', 'ė'), ('Ę', 'ę'), ('Ě', 'ě'), ('Ĝ', 'ĝ'), ('Ğ', 'ğ'),
    ('Ġ', 'ġ'), ('Ģ', 'ģ'), ('Ĥ', 'ĥ'), ('Ħ', 'ħ'), ('Ĩ', 'ĩ'), ('Ī', 'ī'), ('Ĭ', 'ĭ'), ('Į', 'į'),
    ('Ĳ', 'ĳ'), ('Ĵ', 'ĵ'), ('Ķ', 'ķ'), ('Ĺ', 'ĺ'), ('Ļ', 'ļ'), ('Ľ', 'ľ'), ('Ŀ', 'ŀ'), ('Ł', 'ł'),
    ('Ń', 'ń'), ('Ņ', 'ņ'), ('Ň', 'ň'), ('Ŋ', 'ŋ'), ('Ō', 'ō'), ('Ŏ', 'ŏ'), ('Ő', 'ő'), ('Œ', 'œ'),
    ('Ŕ', 'ŕ'), ('Ŗ', 'ŗ'), ('Ř', 'ř'), ('Ś', 'ś'), ('Ŝ', 'ŝ'), ('Ş', 'ş'), ('Š', 'š'), ('Ţ', 'ţ'),
    ('Ť', 'ť'), ('Ŧ', 'ŧ'), ('Ũ', 'ũ'), ('Ū', 'ū'), ('Ŭ', 'ŭ'), ('Ů', 'ů'), ('Ű', 'ű'), ('Ų', 'ų'),
    ('Ŵ', 'ŵ'), ('Ŷ', 'ŷ'), ('Ÿ', 'ÿ'), ('Ź', 'ź'), ('Ż', 'ż'), ('Ž', 'ž'),
    ('Ά', 'ά'), ('Έ', 'έ'), ('Ή', 'ή'), ('Ί', 'ί'), ('Ό', 'ό'), ('Ύ', 'ύ'), ('Ώ', 'ώ'), ('Α', 'α'),
    ('Β', 'β'), ('Γ', 'γ'), ('Δ', 'δ'), ('Ε', 'ε'), ('Ζ', 'ζ'), ('Η', 'η'), ('Θ', 'θ'), ('Ι', 'ι'),
    ('Κ', 'κ'), ('Λ', 'λ'), ('Μ', 'μ'), ('Ν', 'ν'), ('Ξ', 'ξ'), ('Ο', 'ο'), ('Π', 'π'), ('Ρ', 'ρ'),
    ('Σ', 'σ'), ('Τ', 'τ'), ('Υ', 'υ'), ('Φ', 'φ'), ('Χ', 'χ'), ('Ψ', 'ψ'), ('Ω', 'ω'), ('Ϊ', 'ϊ'),
    ('Ϋ', 'ϋ'),
    ('ё', 'е'), ('ς', 'σ'), ('İ', 'i');

-- White space of other kinds; stress, the dot of a Turkish i, soft hyphens, no width at all.
INSERT INTO fold_letters (letter, folded)
SELECT char(value), ' ' FROM json_each('[9, 10, 11, 12, 13, 133, 160, 8239]')
UNION ALL SELECT char(value), '' FROM json_each('[173, 769, 775, 8203, 8204, 8205, 8288, 65279]');

CREATE VIEW texts_as_written (kind, id, text) AS
SELECT 'title of a movie', id, title FROM movies
UNION ALL SELECT 'original title of a movie', id, title_original FROM movies
UNION ALL SELECT 'name of a person', id, last_name || ' ' || first_name || coalesce(' ' || mid_name, '') FROM persons
UNION ALL SELECT 'title of a publication', id, title FROM publications
UNION ALL SELECT 'title of a cinema', id, title FROM cinema_online;

-- Letter by letter; й and ё may be two characters each.
CREATE VIEW folded_texts (kind, id, text) AS
SELECT kind, id, (
    WITH RECURSIVE step (place, written, folded) AS (
        SELECT 1, replace(replace(replace(replace(
            text, 'и' || char(774), 'й'), 'И' || char(774), 'й'), 'е' || char(776), 'е'), 'Е' || char(776), 'е'), ''
        UNION ALL
        SELECT place + 1, written, folded || coalesce(
            (SELECT fold_letters.folded FROM fold_letters WHERE letter = substr(written, place, 1)),
            substr(written, place, 1)
        )
        FROM step WHERE place <= length(written)
    )
    SELECT trim(replace(replace(replace(replace(folded, '  ', ' '), '  ', ' '), '  ', ' '), '  ', ' '))
    FROM step ORDER BY place DESC LIMIT 1
)
FROM texts_as_written;

-- Tables --------------------------------------------------------------------

CREATE TABLE movie_titles (
    movie_id INTEGER PRIMARY KEY REFERENCES movies (id) ON DELETE CASCADE,
    title TEXT NOT NULL,
    original TEXT
) STRICT;

CREATE TABLE person_names (
    person_id INTEGER PRIMARY KEY REFERENCES persons (id) ON DELETE CASCADE,
    -- Last, first and middle name, in the order of lists.
    name TEXT NOT NULL
) STRICT;

CREATE TABLE publication_titles (
    publication_id INTEGER PRIMARY KEY REFERENCES publications (id) ON DELETE CASCADE,
    title TEXT NOT NULL
) STRICT;

CREATE TABLE cinema_titles (
    cinema_id INTEGER PRIMARY KEY REFERENCES cinema_online (id) ON DELETE CASCADE,
    title TEXT NOT NULL
) STRICT;

-- Indexes ---------------------------------------------------------------------

-- Alphabetical orders, and filters by one or two letters: what begins with them.
CREATE INDEX movie_titles_title_idx ON movie_titles (title, movie_id);
CREATE INDEX movie_titles_original_idx ON movie_titles (original, movie_id);
CREATE INDEX person_names_name_idx ON person_names (name, person_id);
CREATE INDEX publication_titles_title_idx ON publication_titles (title, publication_id);
CREATE INDEX cinema_titles_title_idx ON cinema_titles (title, cinema_id);

-- Filters by three letters or more, wherever they stand, and the search. The texts are
-- folded already; they stand in the tables above alone.
CREATE VIRTUAL TABLE movie_titles_trigram USING fts5(
    title, original, content = 'movie_titles', content_rowid = 'movie_id', columnsize = 0, tokenize = 'trigram case_sensitive 1'
);
CREATE VIRTUAL TABLE person_names_trigram USING fts5(
    name, content = 'person_names', content_rowid = 'person_id', columnsize = 0, tokenize = 'trigram case_sensitive 1'
);
CREATE VIRTUAL TABLE publication_titles_trigram USING fts5(
    title, content = 'publication_titles', content_rowid = 'publication_id', columnsize = 0, tokenize = 'trigram case_sensitive 1'
);
CREATE VIRTUAL TABLE cinema_titles_trigram USING fts5(
    title, content = 'cinema_titles', content_rowid = 'cinema_id', columnsize = 0, tokenize = 'trigram case_sensitive 1'
);

-- Triggers --------------------------------------------------------------------

-- The trigrams follow the folded texts, which are never updated in place.

CREATE TRIGGER movie_titles_trigram_insert
AFTER INSERT ON movie_titles
BEGIN
    INSERT INTO movie_titles_trigram (rowid, title, original) VALUES (NEW.movie_id, NEW.title, NEW.original);
END;

CREATE TRIGGER movie_titles_trigram_delete
AFTER DELETE ON movie_titles
BEGIN
    INSERT INTO movie_titles_trigram (movie_titles_trigram, rowid, title, original)
    VALUES ('delete', OLD.movie_id, OLD.title, OLD.original);
END;

CREATE TRIGGER person_names_trigram_insert
AFTER INSERT ON person_names
BEGIN
    INSERT INTO person_names_trigram (rowid, name) VALUES (NEW.person_id, NEW.name);
END;

CREATE TRIGGER person_names_trigram_delete
AFTER DELETE ON person_names
BEGIN
    INSERT INTO person_names_trigram (person_names_trigram, rowid, name)
    VALUES ('delete', OLD.person_id, OLD.name);
END;

CREATE TRIGGER publication_titles_trigram_insert
AFTER INSERT ON publication_titles
BEGIN
    INSERT INTO publication_titles_trigram (rowid, title) VALUES (NEW.publication_id, NEW.title);
END;

CREATE TRIGGER publication_titles_trigram_delete
AFTER DELETE ON publication_titles
BEGIN
    INSERT INTO publication_titles_trigram (publication_titles_trigram, rowid, title)
    VALUES ('delete', OLD.publication_id, OLD.title);
END;

CREATE TRIGGER cinema_titles_trigram_insert
AFTER INSERT ON cinema_titles
BEGIN
    INSERT INTO cinema_titles_trigram (rowid, title) VALUES (NEW.cinema_id, NEW.title);
END;

CREATE TRIGGER cinema_titles_trigram_delete
AFTER DELETE ON cinema_titles
BEGIN
    INSERT INTO cinema_titles_trigram (cinema_titles_trigram, rowid, title)
    VALUES ('delete', OLD.cinema_id, OLD.title);
END;

-- The folded texts follow what they are folded from.

CREATE TRIGGER movie_titles_fold_inserted
AFTER INSERT ON movies
BEGIN
    INSERT INTO movie_titles (movie_id, title, original) VALUES (
        NEW.id,
        (SELECT text FROM folded_texts WHERE kind = 'title of a movie' AND id = NEW.id),
        (SELECT text FROM folded_texts WHERE kind = 'original title of a movie' AND id = NEW.id)
    );
END;

CREATE TRIGGER movie_titles_fold_updated
AFTER UPDATE OF title, title_original ON movies
BEGIN
    DELETE FROM movie_titles WHERE movie_id = NEW.id;
    INSERT INTO movie_titles (movie_id, title, original) VALUES (
        NEW.id,
        (SELECT text FROM folded_texts WHERE kind = 'title of a movie' AND id = NEW.id),
        (SELECT text FROM folded_texts WHERE kind = 'original title of a movie' AND id = NEW.id)
    );
END;

CREATE TRIGGER person_names_fold_inserted
AFTER INSERT ON persons
BEGIN
    INSERT INTO person_names (person_id, name) VALUES (
        NEW.id,
        (SELECT text FROM folded_texts WHERE kind = 'name of a person' AND id = NEW.id)
    );
END;

CREATE TRIGGER person_names_fold_updated
AFTER UPDATE OF last_name, first_name, mid_name ON persons
BEGIN
    DELETE FROM person_names WHERE person_id = NEW.id;
    INSERT INTO person_names (person_id, name) VALUES (
        NEW.id,
        (SELECT text FROM folded_texts WHERE kind = 'name of a person' AND id = NEW.id)
    );
END;

CREATE TRIGGER publication_titles_fold_inserted
AFTER INSERT ON publications
BEGIN
    INSERT INTO publication_titles (publication_id, title) VALUES (
        NEW.id,
        (SELECT text FROM folded_texts WHERE kind = 'title of a publication' AND id = NEW.id)
    );
END;

CREATE TRIGGER publication_titles_fold_updated
AFTER UPDATE OF title ON publications
BEGIN
    DELETE FROM publication_titles WHERE publication_id = NEW.id;
    INSERT INTO publication_titles (publication_id, title) VALUES (
        NEW.id,
        (SELECT text FROM folded_texts WHERE kind = 'title of a publication' AND id = NEW.id)
    );
END;

CREATE TRIGGER cinema_titles_fold_inserted
AFTER INSERT ON cinema_online
BEGIN
    INSERT INTO cinema_titles (cinema_id, title) VALUES (
        NEW.id,
        (SELECT text FROM folded_texts WHERE kind = 'title of a cinema' AND id = NEW.id)
    );
END;

CREATE TRIGGER cinema_titles_fold_updated
AFTER UPDATE OF title ON cinema_online
BEGIN
    DELETE FROM cinema_titles WHERE cinema_id = NEW.id;
    INSERT INTO cinema_titles (cinema_id, title) VALUES (
        NEW.id,
        (SELECT text FROM folded_texts WHERE kind = 'title of a cinema' AND id = NEW.id)
    );
END;

-- Rows that are there already --------------------------------------------------

INSERT INTO movie_titles (movie_id, title, original)
SELECT
    id,
    (SELECT text FROM folded_texts WHERE kind = 'title of a movie' AND id = movies.id),
    (SELECT text FROM folded_texts WHERE kind = 'original title of a movie' AND id = movies.id)
FROM movies;

INSERT INTO person_names (person_id, name)
SELECT
    id,
    (SELECT text FROM folded_texts WHERE kind = 'name of a person' AND id = persons.id)
FROM persons;

INSERT INTO publication_titles (publication_id, title)
SELECT
    id,
    (SELECT text FROM folded_texts WHERE kind = 'title of a publication' AND id = publications.id)
FROM publications;

INSERT INTO cinema_titles (cinema_id, title)
SELECT
    id,
    (SELECT text FROM folded_texts WHERE kind = 'title of a cinema' AND id = cinema_online.id)
FROM cinema_online;
