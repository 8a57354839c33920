-- Indexes for reading the whole catalogue: orders and filters of the lists that the API
-- offers beyond step 0002.

CREATE INDEX comments_movie_id_top_idx ON comments (movie_id, id) WHERE parent_id IS NULL;
CREATE INDEX comments_publication_id_top_idx ON comments (publication_id, id) WHERE parent_id IS NULL;
CREATE INDEX cinema_online_movie_presence_last_update_idx ON cinema_online_movie_presence (last_update, id);
CREATE INDEX persons_birthday_idx ON persons (birthday, id);
CREATE INDEX persons_country_idx ON persons (country, id);
CREATE INDEX movie_staff_m2m_person_id_movie_id_idx ON movie_staff_m2m (person_id, movie_id);
CREATE INDEX movies_country_idx ON movies (country, id);
CREATE INDEX publications_created_at_id_idx ON publications (created_at, id);
