-- Takes back 0008_search.up.sql.

DROP TRIGGER publication_words_keep ON publications;
DROP FUNCTION publication_words_keep();
DROP TABLE publication_words;
DROP FUNCTION search_words(text, text);
DROP FUNCTION search_letters(text);

DO $$
DECLARE
    follower regprocedure;
BEGIN
    FOR follower IN
        SELECT oid FROM pg_proc
        WHERE pronamespace = current_schema()::regnamespace AND prorettype = 'trigger'::regtype
            AND proconfig::text LIKE '%search_path=%'
    LOOP
        EXECUTE format('ALTER FUNCTION %s SECURITY INVOKER SET search_path FROM CURRENT', follower);
    END LOOP;
END
$$;
