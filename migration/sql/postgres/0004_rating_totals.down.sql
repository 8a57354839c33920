-- Takes back 0004_rating_totals.up.sql.

DROP TRIGGER users_rating_count_inserted ON users_rating;
DROP TRIGGER users_rating_count_deleted ON users_rating;
DROP TRIGGER users_rating_count_updated_from ON users_rating;
DROP TRIGGER users_rating_count_updated_to ON users_rating;
DROP TRIGGER movies_begin_rating_totals ON movies;
DROP TRIGGER publications_begin_rating_totals ON publications;
DROP FUNCTION rating_totals_count();
DROP FUNCTION rating_totals_begin();
DROP TABLE rating_totals;
DROP FUNCTION rating_totals_set_average();
DROP FUNCTION pass_over();
