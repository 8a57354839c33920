-- Takes back 0007_folded_texts.up.sql.

DROP TRIGGER movie_titles_fold ON movies;
DROP FUNCTION movie_titles_fold();
DROP TABLE movie_titles;
DROP TRIGGER person_names_fold ON persons;
DROP FUNCTION person_names_fold();
DROP TABLE person_names;
DROP TRIGGER publication_titles_fold ON publications;
DROP FUNCTION publication_titles_fold();
DROP TABLE publication_titles;
DROP TRIGGER cinema_titles_fold ON cinema_online;
DROP FUNCTION cinema_titles_fold();
DROP TABLE cinema_titles;
DROP FUNCTION fold_text(text);

-- Only the extension that the way up has installed, and only if nobody else uses it by now.
DO $$
BEGIN
    IF EXISTS (
        SELECT FROM pg_extension
        WHERE extname = 'pg_trgm' AND obj_description(oid, 'pg_extension') = 'Триграммы для поиска кинотеки'
    ) THEN
        DROP EXTENSION pg_trgm;
    END IF;
EXCEPTION WHEN dependent_objects_still_exist OR insufficient_privilege THEN
    RAISE WARNING 'pg_trgm stays: %', SQLERRM;
END
$$;
