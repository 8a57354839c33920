-- Takes back 0008_search.up.sql.

DROP TRIGGER publication_words_keep ON publications;
DROP FUNCTION publication_words_keep();
DROP TABLE publication_words;
DROP FUNCTION search_words(text, text);
DROP FUNCTION search_letters(text);
