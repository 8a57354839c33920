-- The search over texts: the words of every publication beside it, stemmed by the rules of
-- Russian. Titles and names are found in the tables of step 0007.
--
-- publications_text_gin_idx stays as it is named, for whoever queries the table by hand. The
-- search needs the vector itself, to rank by; making it anew costs 10 ms for a full-size text.

-- What the parser gets to see: ё as е, no stress marks and soft hyphens, and none of the
-- signs that it would read as parts of hosts, addresses, paths, tags and negative numbers
-- (the second year of 1941-1945). Lower case by Unicode, whatever the database's locale.
CREATE FUNCTION search_letters(value text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN translate(lower(value COLLATE "und-x-icu") COLLATE "C", E'ё-./@:_<>&\u0301\u00ad', 'е' || repeat(' ', 9));

CREATE FUNCTION search_words(title text, body text) RETURNS tsvector
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN setweight(to_tsvector('pg_catalog.russian', search_letters(title)), 'A')
    || setweight(to_tsvector('pg_catalog.russian', search_letters(body)), 'B');

CREATE TABLE publication_words (
    publication_id integer PRIMARY KEY,
    words tsvector NOT NULL,
    CONSTRAINT publication_words_publication_id_fkey FOREIGN KEY (publication_id)
        REFERENCES publications (id) ON DELETE CASCADE
);
COMMENT ON TABLE publication_words IS 'Слова публикаций для поиска: название с весом A, текст с весом B';

-- Without statistics every word counts as rare, so that the index is always used. Testing the
-- vectors of a whole table for a frequent word takes seconds, which the planner does not see.
ALTER TABLE publication_words ALTER COLUMN words SET STATISTICS 0;

-- A vector hardly compresses (by a tenth), and unpacking would double the cost of ranking.
ALTER TABLE publication_words ALTER COLUMN words SET STORAGE EXTERNAL;

INSERT INTO publication_words (publication_id, words)
SELECT id, search_words(title, text) FROM publications;

-- What waits to be entered is kept short: whoever writes the text that fills it up enters all.
CREATE INDEX publication_words_words_idx ON publication_words
    USING gin (words) WITH (gin_pending_list_limit = 512);

-- Triggers ------------------------------------------------------------------

CREATE FUNCTION publication_words_keep() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND (NEW.title, NEW.text) IS NOT DISTINCT FROM (OLD.title, OLD.text) THEN
        RETURN NULL;
    END IF;
    INSERT INTO publication_words (publication_id, words)
    VALUES (NEW.id, search_words(NEW.title, NEW.text))
    ON CONFLICT (publication_id) DO UPDATE SET words = excluded.words;
    RETURN NULL;
END
$$;

CREATE TRIGGER publication_words_keep
AFTER INSERT OR UPDATE OF title, text ON publications
FOR EACH ROW
EXECUTE FUNCTION publication_words_keep();

CREATE TRIGGER publication_words_by_triggers_alone
BEFORE INSERT ON publication_words
FOR EACH ROW WHEN (pg_trigger_depth() = 0)
EXECUTE FUNCTION pass_over();
