-- Takes back 0005_filters.up.sql.

DROP TRIGGER movies_list_tags_inserted;
DROP TRIGGER movies_list_tags_updated;
DROP TABLE movie_tags;
DROP TRIGGER publications_list_tags_inserted;
DROP TRIGGER publications_list_tags_updated;
DROP TABLE publication_tags;
DROP INDEX cinema_online_movie_presence_price_idx;
DROP INDEX movies_duration_idx;
