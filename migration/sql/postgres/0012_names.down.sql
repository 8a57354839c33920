-- Takes back 0012_names.up.sql.

DROP TRIGGER tags_compose_title ON tags;
DROP TRIGGER person_position_compose_title ON person_position;
DROP TRIGGER cinema_online_compose_title ON cinema_online;
DROP TRIGGER publications_category_compose_title ON publications_category;
DROP TRIGGER users_compose_username ON users;
DROP TRIGGER users_compose_email ON users;
DROP FUNCTION compose_name();
