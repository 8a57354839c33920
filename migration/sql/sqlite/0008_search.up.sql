-- The search over texts: an index of the words of every publication. Titles and names are found
-- in the tables of step 0007.
--
-- A REPLACE keeps them only under PRAGMA recursive_triggers, which the program sets: without it
-- SQLite tells no trigger of the row that goes.
--
-- SQLite knows no stems, so the words stand as they are written, in lower case and with ё as е:
-- a word is looked for in its forms, and a long one as the beginning of words.

CREATE VIEW texts_to_search (id, title, text) AS
SELECT id, replace(replace(title, 'ё', 'е'), 'Ё', 'Е'), replace(replace(text, 'ё', 'е'), 'Ё', 'Е') FROM publications;

CREATE VIRTUAL TABLE publication_words USING fts5(
    title, text, content = 'texts_to_search', content_rowid = 'id'
);

CREATE TRIGGER publication_words_inserted
AFTER INSERT ON publications
BEGIN
    INSERT INTO publication_words (rowid, title, text) SELECT id, title, text FROM texts_to_search WHERE id = NEW.id;
END;

CREATE TRIGGER publication_words_deleted
AFTER DELETE ON publications
BEGIN
    INSERT INTO publication_words (publication_words, rowid, title, text) VALUES (
        'delete', OLD.id, replace(replace(OLD.title, 'ё', 'е'), 'Ё', 'Е'), replace(replace(OLD.text, 'ё', 'е'), 'Ё', 'Е')
    );
END;

CREATE TRIGGER publication_words_updated
AFTER UPDATE OF title, text ON publications
BEGIN
    INSERT INTO publication_words (publication_words, rowid, title, text) VALUES (
        'delete', OLD.id, replace(replace(OLD.title, 'ё', 'е'), 'Ё', 'Е'), replace(replace(OLD.text, 'ё', 'е'), 'Ё', 'Е')
    );
    INSERT INTO publication_words (rowid, title, text) SELECT id, title, text FROM texts_to_search WHERE id = NEW.id;
END;

INSERT INTO publication_words (rowid, title, text) SELECT id, title, text FROM texts_to_search;
