-- What the filters of lists read.

CREATE INDEX movies_duration_idx ON movies (duration, id);
CREATE INDEX cinema_online_movie_presence_price_idx ON cinema_online_movie_presence (price, movie_id);

-- Which movies and publications carry a tag, a row each, kept from their `tags` by triggers:
-- an index that knows how common a tag is, and whether one is used at all. What no tag can be,
-- such as a number in the JSON, is left out.

CREATE TABLE movie_tags (
    movie_id INTEGER NOT NULL REFERENCES movies (id) ON DELETE CASCADE,
    tag TEXT NOT NULL,
    PRIMARY KEY (movie_id, tag)
) STRICT, WITHOUT ROWID;
CREATE INDEX movie_tags_tag_idx ON movie_tags (tag, movie_id);

CREATE TRIGGER movies_list_tags_inserted
AFTER INSERT ON movies WHEN NEW.tags IS NOT NULL
BEGIN
    INSERT INTO movie_tags (movie_id, tag)
    SELECT DISTINCT NEW.id, value FROM json_each(NEW.tags) WHERE type = 'text' AND length(value) <= 56;
END;

CREATE TRIGGER movies_list_tags_updated
AFTER UPDATE OF tags ON movies WHEN NEW.tags IS NOT OLD.tags
BEGIN
    DELETE FROM movie_tags WHERE movie_id = NEW.id;
    INSERT INTO movie_tags (movie_id, tag)
    SELECT DISTINCT NEW.id, value FROM json_each(NEW.tags) WHERE type = 'text' AND length(value) <= 56;
END;

INSERT INTO movie_tags (movie_id, tag)
SELECT DISTINCT movies.id, tag.value FROM movies, json_each(movies.tags) AS tag
WHERE tag.type = 'text' AND length(tag.value) <= 56;

CREATE TABLE publication_tags (
    publication_id INTEGER NOT NULL REFERENCES publications (id) ON DELETE CASCADE,
    tag TEXT NOT NULL,
    PRIMARY KEY (publication_id, tag)
) STRICT, WITHOUT ROWID;
CREATE INDEX publication_tags_tag_idx ON publication_tags (tag, publication_id);

CREATE TRIGGER publications_list_tags_inserted
AFTER INSERT ON publications WHEN NEW.tags IS NOT NULL
BEGIN
    INSERT INTO publication_tags (publication_id, tag)
    SELECT DISTINCT NEW.id, value FROM json_each(NEW.tags) WHERE type = 'text' AND length(value) <= 56;
END;

CREATE TRIGGER publications_list_tags_updated
AFTER UPDATE OF tags ON publications WHEN NEW.tags IS NOT OLD.tags
BEGIN
    DELETE FROM publication_tags WHERE publication_id = NEW.id;
    INSERT INTO publication_tags (publication_id, tag)
    SELECT DISTINCT NEW.id, value FROM json_each(NEW.tags) WHERE type = 'text' AND length(value) <= 56;
END;

INSERT INTO publication_tags (publication_id, tag)
SELECT DISTINCT publications.id, tag.value FROM publications, json_each(publications.tags) AS tag
WHERE tag.type = 'text' AND length(tag.value) <= 56;
