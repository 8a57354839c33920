-- Creates the database, as in section 3 of the write-up. Run it as a superuser in database `postgres`, after roles.sql.

SELECT 'CREATE DATABASE kinoteka OWNER dba' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'kinoteka') \gexec
COMMENT ON DATABASE kinoteka IS
    'БД КИНОТЕКА - Каталог данных о фильмах и сериалах для студентов изучающих современное искусство';
-- Other roles may not connect or create temporary tables.
REVOKE ALL ON DATABASE kinoteka FROM PUBLIC;
GRANT CONNECT ON DATABASE kinoteka TO kinoteka_app, pmm;
