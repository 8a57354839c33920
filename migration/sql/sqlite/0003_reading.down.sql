-- Takes back 0003_reading.up.sql.

DROP INDEX comments_movie_id_top_idx;
DROP INDEX comments_publication_id_top_idx;
DROP INDEX cinema_online_movie_presence_last_update_idx;
DROP INDEX persons_birthday_idx;
DROP INDEX persons_country_idx;
DROP INDEX movie_staff_m2m_person_id_movie_id_idx;
DROP INDEX movies_country_idx;
DROP INDEX publications_created_at_id_idx;
