-- Takes back 0005_filters.up.sql.

DROP TRIGGER movies_list_tags_inserted ON movies;
DROP TRIGGER movies_list_tags_updated ON movies;
DROP FUNCTION movie_tags_list();
DROP TABLE movie_tags;
DROP TRIGGER publications_list_tags_inserted ON publications;
DROP TRIGGER publications_list_tags_updated ON publications;
DROP FUNCTION publication_tags_list();
DROP TABLE publication_tags;
DROP INDEX cinema_online_movie_presence_price_idx;
DROP INDEX movies_duration_idx;
