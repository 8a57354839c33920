-- Takes back 0004_rating_totals.up.sql.

DROP TRIGGER users_rating_count_inserted;
DROP TRIGGER users_rating_count_deleted;
DROP TRIGGER users_rating_count_updated_from;
DROP TRIGGER users_rating_count_updated_to;
DROP TRIGGER movies_begin_rating_totals;
DROP TRIGGER publications_begin_rating_totals;
DROP TABLE rating_totals;
