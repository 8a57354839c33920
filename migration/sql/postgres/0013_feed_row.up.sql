-- The feed's one row can be made again where it is missing: after a dump of the schema and one of the data were restored
-- apart, the table is empty, and the trigger of step 0010 passed over every row.

CREATE FUNCTION comment_feed_stay_one() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF EXISTS (SELECT FROM comment_feed) THEN
        RETURN NULL;
    END IF;
    RETURN NEW;
END
$$;

-- Replaced, not dropped: that would wait for every reader.
CREATE OR REPLACE TRIGGER comment_feed_stays_one
BEFORE INSERT ON comment_feed
FOR EACH ROW EXECUTE FUNCTION comment_feed_stay_one();
