-- Secondary indexes beyond the thirty-five named ones: a step of its own, so that
-- a bulk load can put them off until the rows are in.

-- Foreign keys that the API walks or that a deletion has to check.
CREATE INDEX movie_staff_m2m_movie_id_idx ON movie_staff_m2m (movie_id, id);
CREATE INDEX movie_staff_m2m_person_id_idx ON movie_staff_m2m (person_id, id);
CREATE INDEX movie_staff_m2m_position_id_idx ON movie_staff_m2m (position_id, person_id);
CREATE INDEX awards_movie_id_idx ON awards (movie_id, id);
CREATE INDEX awards_person_id_idx ON awards (person_id, id);
CREATE INDEX awards_nomination_id_idx ON awards (nomination_id);
CREATE INDEX cinema_online_movie_presence_cinema_id_idx ON cinema_online_movie_presence (cinema_id, id);
CREATE INDEX user_movie_orders_movie_id_idx ON user_movie_orders (movie_id);
CREATE INDEX user_movie_orders_online_cinema_id_idx ON user_movie_orders (online_cinema_id);
CREATE INDEX publications_author_idx ON publications (author, id);
CREATE INDEX publications_category_idx ON publications (category, id);
CREATE INDEX comments_user_id_idx ON comments (user_id, id);
CREATE INDEX comments_parent_id_idx ON comments (parent_id, id);
CREATE INDEX comments_movie_id_idx ON comments (movie_id, id);
CREATE INDEX comments_publication_id_idx ON comments (publication_id, id);
CREATE INDEX users_rating_user_id_idx ON users_rating (user_id, id);
CREATE INDEX users_rating_publication_id_idx ON users_rating (publication_id);

-- Keyset orders: the key, then the id that breaks ties. One index serves both
-- directions, since NULLs are read as a range of their own.
CREATE INDEX movies_year_idx ON movies (year, id);
CREATE INDEX movies_rating_id_idx ON movies (rating, id);
CREATE INDEX movies_boxoffice_idx ON movies (boxoffice, id);
