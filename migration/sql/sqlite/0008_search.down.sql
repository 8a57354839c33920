-- Takes back 0008_search.up.sql.

DROP TRIGGER publication_words_inserted;
DROP TRIGGER publication_words_deleted;
DROP TRIGGER publication_words_updated;
DROP TABLE publication_words;
DROP VIEW texts_to_search;
