-- Takes back 0007_folded_texts.up.sql.

DROP TRIGGER movie_titles_fold_inserted;
DROP TRIGGER movie_titles_fold_updated;
DROP TABLE movie_titles_trigram;
DROP TABLE movie_titles;
DROP TRIGGER person_names_fold_inserted;
DROP TRIGGER person_names_fold_updated;
DROP TABLE person_names_trigram;
DROP TABLE person_names;
DROP TRIGGER publication_titles_fold_inserted;
DROP TRIGGER publication_titles_fold_updated;
DROP TABLE publication_titles_trigram;
DROP TABLE publication_titles;
DROP TRIGGER cinema_titles_fold_inserted;
DROP TRIGGER cinema_titles_fold_updated;
DROP TABLE cinema_titles_trigram;
DROP TABLE cinema_titles;
DROP VIEW folded_texts;
DROP VIEW texts_as_written;
DROP TABLE fold_letters;
