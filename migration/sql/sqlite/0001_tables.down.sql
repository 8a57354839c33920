-- Takes back 0001_tables.up.sql, with all data.

DROP TABLE users_rating;
DROP TABLE comments;
DROP TABLE publications;
DROP TABLE user_movie_orders;
DROP TABLE users;
DROP TABLE cinema_online_movie_presence;
DROP TABLE awards;
DROP TABLE movie_staff_m2m;
DROP TABLE persons;
DROP TABLE movies;
DROP TABLE publications_category;
DROP TABLE cinema_online;
DROP TABLE film_award_nominations_registry;
DROP TABLE film_award_registry;
DROP TABLE person_position;
DROP TABLE tags;
