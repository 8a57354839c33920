-- What the filters of lists read.

CREATE INDEX movies_duration_idx ON movies (duration, id);
CREATE INDEX cinema_online_movie_presence_price_idx ON cinema_online_movie_presence (price, movie_id);

-- Which movies and publications carry a tag, a row each, kept from their `tags` by triggers:
-- an index that knows how common a tag is, and whether one is used at all. What no tag can be,
-- such as a number in the JSON, is left out.

CREATE TABLE movie_tags (
    movie_id integer NOT NULL,
    tag text COLLATE "C" NOT NULL,
    CONSTRAINT movie_tags_pkey PRIMARY KEY (movie_id, tag),
    CONSTRAINT movie_tags_movie_id_fkey FOREIGN KEY (movie_id) REFERENCES movies (id) ON DELETE CASCADE
);
COMMENT ON TABLE movie_tags IS 'Теги фильмов построчно, ведутся триггерами';
CREATE INDEX movie_tags_tag_idx ON movie_tags (tag, movie_id);

CREATE FUNCTION movie_tags_list() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    DELETE FROM movie_tags WHERE movie_id = NEW.id;
    INSERT INTO movie_tags (movie_id, tag)
    SELECT DISTINCT NEW.id, tag #>> '{}' FROM jsonb_array_elements(NEW.tags) AS tag
    WHERE jsonb_typeof(tag) = 'string' AND length(tag #>> '{}') <= 56;
    RETURN NULL;
END
$$;

CREATE TRIGGER movies_list_tags_inserted
AFTER INSERT ON movies
FOR EACH ROW WHEN (NEW.tags IS NOT NULL)
EXECUTE FUNCTION movie_tags_list();

CREATE TRIGGER movies_list_tags_updated
AFTER UPDATE OF tags ON movies
FOR EACH ROW WHEN (NEW.tags IS DISTINCT FROM OLD.tags)
EXECUTE FUNCTION movie_tags_list();

INSERT INTO movie_tags (movie_id, tag)
SELECT DISTINCT movies.id, tag #>> '{}' FROM movies CROSS JOIN jsonb_array_elements(movies.tags) AS tag
WHERE jsonb_typeof(tag) = 'string' AND length(tag #>> '{}') <= 56;

CREATE TABLE publication_tags (
    publication_id integer NOT NULL,
    tag text COLLATE "C" NOT NULL,
    CONSTRAINT publication_tags_pkey PRIMARY KEY (publication_id, tag),
    CONSTRAINT publication_tags_publication_id_fkey FOREIGN KEY (publication_id) REFERENCES publications (id) ON DELETE CASCADE
);
COMMENT ON TABLE publication_tags IS 'Теги публикаций построчно, ведутся триггерами';
CREATE INDEX publication_tags_tag_idx ON publication_tags (tag, publication_id);

CREATE FUNCTION publication_tags_list() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    DELETE FROM publication_tags WHERE publication_id = NEW.id;
    INSERT INTO publication_tags (publication_id, tag)
    SELECT DISTINCT NEW.id, tag #>> '{}' FROM jsonb_array_elements(NEW.tags) AS tag
    WHERE jsonb_typeof(tag) = 'string' AND length(tag #>> '{}') <= 56;
    RETURN NULL;
END
$$;

CREATE TRIGGER publications_list_tags_inserted
AFTER INSERT ON publications
FOR EACH ROW WHEN (NEW.tags IS NOT NULL)
EXECUTE FUNCTION publication_tags_list();

CREATE TRIGGER publications_list_tags_updated
AFTER UPDATE OF tags ON publications
FOR EACH ROW WHEN (NEW.tags IS DISTINCT FROM OLD.tags)
EXECUTE FUNCTION publication_tags_list();

INSERT INTO publication_tags (publication_id, tag)
SELECT DISTINCT publications.id, tag #>> '{}' FROM publications CROSS JOIN jsonb_array_elements(publications.tags) AS tag
WHERE jsonb_typeof(tag) = 'string' AND length(tag #>> '{}') <= 56;

CREATE TRIGGER movie_tags_by_triggers_alone
BEFORE INSERT ON movie_tags
FOR EACH ROW WHEN (pg_trigger_depth() = 0)
EXECUTE FUNCTION pass_over();

CREATE TRIGGER publication_tags_by_triggers_alone
BEFORE INSERT ON publication_tags
FOR EACH ROW WHEN (pg_trigger_depth() = 0)
EXECUTE FUNCTION pass_over();
