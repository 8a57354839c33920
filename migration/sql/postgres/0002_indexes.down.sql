-- Takes back 0002_indexes.up.sql.

DROP INDEX movie_staff_m2m_movie_id_idx;
DROP INDEX movie_staff_m2m_person_id_idx;
DROP INDEX movie_staff_m2m_position_id_idx;
DROP INDEX awards_movie_id_idx;
DROP INDEX awards_person_id_idx;
DROP INDEX awards_nomination_id_idx;
DROP INDEX cinema_online_movie_presence_cinema_id_idx;
DROP INDEX user_movie_orders_movie_id_idx;
DROP INDEX user_movie_orders_online_cinema_id_idx;
DROP INDEX publications_author_idx;
DROP INDEX publications_category_idx;
DROP INDEX comments_user_id_idx;
DROP INDEX comments_parent_id_idx;
DROP INDEX comments_movie_id_idx;
DROP INDEX comments_publication_id_idx;
DROP INDEX users_rating_user_id_idx;
DROP INDEX users_rating_publication_id_idx;
DROP INDEX movies_year_idx;
DROP INDEX movies_rating_id_idx;
DROP INDEX movies_boxoffice_idx;
