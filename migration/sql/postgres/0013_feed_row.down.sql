-- Takes back 0013_feed_row.up.sql.

CREATE OR REPLACE TRIGGER comment_feed_stays_one
BEFORE INSERT ON comment_feed
FOR EACH ROW EXECUTE FUNCTION pass_over();
DROP FUNCTION comment_feed_stay_one();
