-- The sixteen tables of the online film library on SQLite: the same tables,
-- columns, checks, unique keys and foreign keys as on PostgreSQL.
--
-- Runs by itself in an empty database: sqlite3 -bail FILE < this file
--
-- STRICT tables hold what their type says: dates and times are text in one form
-- that sorts (times end in +00:00), decimals are REAL, UUIDs are 16-byte blobs.
--
-- A time default drops the milliseconds when they are .000, as sqlx does when it
-- writes a time: one instant has one text, or equal keys would sort as different.
-- The form checks add '+0 days' because older SQLite (3.40, say) carries the 30th of
-- February over into March, where it no longer equals what was written, only then.

-- Reference data ------------------------------------------------------------

CREATE TABLE tags (
    title TEXT NOT NULL CONSTRAINT tags_title_length CHECK (length(title) <= 56)
) STRICT;
CREATE UNIQUE INDEX tags_title_key ON tags (title);

CREATE TABLE person_position (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    title TEXT NOT NULL CONSTRAINT person_position_title_length CHECK (length(title) <= 128)
) STRICT;
CREATE UNIQUE INDEX person_position_title_key ON person_position (title);

CREATE TABLE film_award_registry (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    title TEXT NOT NULL CONSTRAINT film_award_registry_title_length CHECK (length(title) <= 128),
    description TEXT
) STRICT;

CREATE TABLE film_award_nominations_registry (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    title TEXT NOT NULL CONSTRAINT film_award_nominations_registry_title_length CHECK (length(title) <= 128),
    description TEXT
) STRICT;

CREATE TABLE cinema_online (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    title TEXT NOT NULL CONSTRAINT cinema_online_title_length CHECK (length(title) <= 128),
    url TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX cinema_online_title_key ON cinema_online (title);
CREATE UNIQUE INDEX cinema_online_url_key ON cinema_online (url);

CREATE TABLE publications_category (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    title TEXT NOT NULL CONSTRAINT publications_category_title_length CHECK (length(title) <= 24)
) STRICT;
CREATE UNIQUE INDEX publications_category_title_key ON publications_category (title);

-- Catalogue -----------------------------------------------------------------

CREATE TABLE movies (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    isbn TEXT CONSTRAINT movies_isbn_length CHECK (length(isbn) <= 12),
    title TEXT NOT NULL,
    title_original TEXT,
    country TEXT CONSTRAINT movies_country_length CHECK (length(country) <= 128),
    year INTEGER CONSTRAINT movies_year_check CHECK (year BETWEEN 1880 AND 2200),
    budget REAL CONSTRAINT movies_budget_check CHECK (budget >= 0 AND budget < 1e13),
    boxoffice REAL CONSTRAINT movies_boxoffice_check CHECK (boxoffice >= 0 AND boxoffice < 1e13),
    rating INTEGER CONSTRAINT movies_rating_check CHECK (rating BETWEEN 1 AND 5),
    duration INTEGER NOT NULL CONSTRAINT movies_duration_check CHECK (duration BETWEEN 0 AND 2147483647),
    rars TEXT CONSTRAINT movies_rars_check CHECK (rars IN ('0+', '6+', '12+', '16+', '18+')),
    tags TEXT CONSTRAINT movies_tags_check CHECK (tags IS NULL OR (json_valid(tags) AND json_type(tags) = 'array')),
    subject TEXT
) STRICT;

CREATE TABLE persons (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    country TEXT NOT NULL CONSTRAINT persons_country_length CHECK (length(country) <= 128),
    last_name TEXT NOT NULL CONSTRAINT persons_last_name_length CHECK (length(last_name) <= 128),
    first_name TEXT NOT NULL CONSTRAINT persons_first_name_length CHECK (length(first_name) <= 128),
    mid_name TEXT CONSTRAINT persons_mid_name_length CHECK (length(mid_name) <= 128),
    birthday TEXT CONSTRAINT persons_birthday_form CHECK (birthday IS date(birthday, '+0 days')),
    bio TEXT
) STRICT;

CREATE TABLE movie_staff_m2m (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    character TEXT CONSTRAINT movie_staff_m2m_character_length CHECK (length(character) <= 128),
    is_lead_role INTEGER NOT NULL DEFAULT 0 CONSTRAINT movie_staff_m2m_is_lead_role_form CHECK (is_lead_role IN (0, 1)),
    position_id INTEGER NOT NULL REFERENCES person_position (id) ON DELETE RESTRICT,
    person_id INTEGER NOT NULL REFERENCES persons (id) ON DELETE RESTRICT,
    movie_id INTEGER NOT NULL REFERENCES movies (id) ON DELETE CASCADE
) STRICT;

CREATE TABLE awards (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    film_award_id INTEGER NOT NULL REFERENCES film_award_registry (id) ON DELETE RESTRICT,
    movie_id INTEGER NOT NULL REFERENCES movies (id) ON DELETE RESTRICT,
    person_id INTEGER REFERENCES persons (id) ON DELETE RESTRICT,
    nomination_id INTEGER NOT NULL REFERENCES film_award_nominations_registry (id) ON DELETE RESTRICT
) STRICT;
CREATE UNIQUE INDEX award_nomination_unique_constraint ON awards (film_award_id, movie_id, nomination_id);

CREATE TABLE cinema_online_movie_presence (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    movie_id INTEGER NOT NULL REFERENCES movies (id) ON DELETE CASCADE,
    cinema_id INTEGER NOT NULL REFERENCES cinema_online (id) ON DELETE CASCADE,
    price REAL NOT NULL CONSTRAINT cinema_online_movie_presence_price_check CHECK (price >= 0 AND price < 1e8),
    rating INTEGER NOT NULL CONSTRAINT cinema_online_movie_presence_rating_check CHECK (rating BETWEEN 1 AND 5),
    discount INTEGER NOT NULL DEFAULT 0
        CONSTRAINT cinema_online_movie_presence_discount_check CHECK (discount BETWEEN 0 AND 100),
    view_count INTEGER,
    last_update TEXT CONSTRAINT cinema_online_movie_presence_last_update_form
        CHECK (last_update IS NULL OR (last_update GLOB '*[0-9]+00:00' AND datetime(last_update) IS NOT NULL
            AND substr(last_update, 1, 19) IS strftime('%Y-%m-%dT%H:%M:%S', substr(last_update, 1, 19), '+0 days')))
) STRICT;
CREATE UNIQUE INDEX cinema_online_movie_presence_unique ON cinema_online_movie_presence (movie_id, cinema_id);

-- People and what they do ---------------------------------------------------

CREATE TABLE users (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    username TEXT NOT NULL CONSTRAINT users_username_length CHECK (length(username) <= 64),
    email TEXT NOT NULL CONSTRAINT users_email_length CHECK (length(email) <= 128),
    password TEXT NOT NULL CONSTRAINT users_password_length CHECK (length(password) <= 128),
    fio TEXT NOT NULL CONSTRAINT users_fio_length CHECK (length(fio) <= 256),
    bio TEXT,
    created_at TEXT NOT NULL DEFAULT (date('now'))
        CONSTRAINT users_created_at_form CHECK (created_at IS date(created_at, '+0 days')),
    deleted_at TEXT CONSTRAINT users_deleted_at_form CHECK (deleted_at IS date(deleted_at, '+0 days')),
    birthday TEXT NOT NULL CONSTRAINT users_birthday_form CHECK (birthday IS date(birthday, '+0 days')),
    last_logon TEXT CONSTRAINT users_last_logon_form CHECK (last_logon IS date(last_logon, '+0 days')),
    CONSTRAINT users_deleted_at_check CHECK (created_at <= deleted_at)
) STRICT;
CREATE UNIQUE INDEX users_username_key ON users (username);
CREATE UNIQUE INDEX users_email_key ON users (email);

CREATE TABLE user_movie_orders (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    cinema_order_id BLOB NOT NULL CONSTRAINT user_movie_orders_cinema_order_id_form CHECK (length(cinema_order_id) = 16),
    movie_id INTEGER NOT NULL REFERENCES movies (id) ON DELETE RESTRICT,
    user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE RESTRICT,
    online_cinema_id INTEGER NOT NULL REFERENCES cinema_online (id) ON DELETE RESTRICT,
    price REAL NOT NULL CONSTRAINT user_movie_orders_price_check CHECK (price >= 0 AND price < 1e8),
    date TEXT NOT NULL DEFAULT (replace(strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now'), '.000+', '+'))
        CONSTRAINT user_movie_orders_date_form
        CHECK (date GLOB '*[0-9]+00:00' AND datetime(date) IS NOT NULL
            AND substr(date, 1, 19) IS strftime('%Y-%m-%dT%H:%M:%S', substr(date, 1, 19), '+0 days'))
) STRICT;
CREATE UNIQUE INDEX user_movie_orders_m2m_pk2 ON user_movie_orders (user_id, movie_id, online_cinema_id);

CREATE TABLE publications (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    title TEXT NOT NULL CONSTRAINT publications_title_length CHECK (length(title) <= 256),
    text TEXT NOT NULL,
    author INTEGER NOT NULL REFERENCES users (id) ON DELETE RESTRICT,
    category INTEGER NOT NULL REFERENCES publications_category (id) ON DELETE RESTRICT,
    created_at TEXT NOT NULL DEFAULT (replace(strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now'), '.000+', '+'))
        CONSTRAINT publications_created_at_form
        CHECK (created_at GLOB '*[0-9]+00:00' AND datetime(created_at) IS NOT NULL
            AND substr(created_at, 1, 19) IS strftime('%Y-%m-%dT%H:%M:%S', substr(created_at, 1, 19), '+0 days')),
    changed_at TEXT NOT NULL DEFAULT (replace(strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now'), '.000+', '+'))
        CONSTRAINT publications_changed_at_form
        CHECK (changed_at GLOB '*[0-9]+00:00' AND datetime(changed_at) IS NOT NULL
            AND substr(changed_at, 1, 19) IS strftime('%Y-%m-%dT%H:%M:%S', substr(changed_at, 1, 19), '+0 days')),
    tags TEXT CONSTRAINT publications_tags_check CHECK (tags IS NULL OR (json_valid(tags) AND json_type(tags) = 'array'))
) STRICT;

CREATE TABLE comments (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id INTEGER REFERENCES users (id) ON DELETE SET NULL,
    comment TEXT NOT NULL,
    -- Deferred, or the cascade from a publication would stop at its first reply.
    parent_id INTEGER REFERENCES comments (id) ON DELETE NO ACTION DEFERRABLE INITIALLY DEFERRED,
    movie_id INTEGER REFERENCES movies (id) ON DELETE CASCADE,
    publication_id INTEGER REFERENCES publications (id) ON DELETE CASCADE,
    created_at TEXT NOT NULL DEFAULT (replace(strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now'), '.000+', '+'))
        CONSTRAINT comments_created_at_form
        CHECK (created_at GLOB '*[0-9]+00:00' AND datetime(created_at) IS NOT NULL
            AND substr(created_at, 1, 19) IS strftime('%Y-%m-%dT%H:%M:%S', substr(created_at, 1, 19), '+0 days')),
    changed_at TEXT CONSTRAINT comments_changed_at_form
        CHECK (changed_at IS NULL OR (changed_at GLOB '*[0-9]+00:00' AND datetime(changed_at) IS NOT NULL
            AND substr(changed_at, 1, 19) IS strftime('%Y-%m-%dT%H:%M:%S', substr(changed_at, 1, 19), '+0 days'))),
    CONSTRAINT comments_subject_check CHECK ((movie_id IS NULL) <> (publication_id IS NULL)),
    -- A parent exists before its replies, so a thread can never be a circle.
    CONSTRAINT comments_parent_id_check CHECK (parent_id < id)
) STRICT;

CREATE TABLE users_rating (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    rating INTEGER NOT NULL CONSTRAINT users_rating_rating_check CHECK (rating BETWEEN 1 AND 5),
    user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    movie_id INTEGER REFERENCES movies (id) ON DELETE CASCADE,
    publication_id INTEGER REFERENCES publications (id) ON DELETE CASCADE,
    created_at TEXT NOT NULL DEFAULT (replace(strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now'), '.000+', '+'))
        CONSTRAINT users_rating_created_at_form
        CHECK (created_at GLOB '*[0-9]+00:00' AND datetime(created_at) IS NOT NULL
            AND substr(created_at, 1, 19) IS strftime('%Y-%m-%dT%H:%M:%S', substr(created_at, 1, 19), '+0 days')),
    CONSTRAINT users_rating_subject_check CHECK ((movie_id IS NULL) <> (publication_id IS NULL))
) STRICT;
-- NULLs differ in a unique index here, so they are folded to 0.
CREATE UNIQUE INDEX users_rating_unique_pk2
    ON users_rating (coalesce(movie_id, 0), coalesce(publication_id, 0), user_id);
-- The expressions above serve no look-up or cascade by movie.
CREATE INDEX users_rating_movie_id_idx ON users_rating (movie_id);

-- Rules that a CHECK cannot state here ----------------------------------------

CREATE TRIGGER users_birthday_check_insert
BEFORE INSERT ON users WHEN NEW.birthday >= date('now')
BEGIN
    SELECT RAISE(ABORT, 'CHECK constraint failed: users_birthday_check');
END;

CREATE TRIGGER users_birthday_check_update
BEFORE UPDATE OF birthday ON users WHEN NEW.birthday >= date('now')
BEGIN
    SELECT RAISE(ABORT, 'CHECK constraint failed: users_birthday_check');
END;

-- A reply is on its parent's subject, and neither ever changes.
CREATE TRIGGER comments_parent_subject_check
AFTER INSERT ON comments WHEN NEW.parent_id IS NOT NULL
BEGIN
    SELECT RAISE(ABORT, 'CHECK constraint failed: comments_parent_subject_check')
    FROM comments AS parent
    WHERE parent.id = NEW.parent_id
      AND (parent.movie_id IS NOT NEW.movie_id OR parent.publication_id IS NOT NEW.publication_id);
END;

CREATE TRIGGER comments_immutable_subject_check
BEFORE UPDATE OF parent_id, movie_id, publication_id ON comments
WHEN NEW.parent_id IS NOT OLD.parent_id
  OR NEW.movie_id IS NOT OLD.movie_id
  OR NEW.publication_id IS NOT OLD.publication_id
BEGIN
    SELECT RAISE(ABORT, 'CHECK constraint failed: comments_immutable_subject_check');
END;

-- Named indexes that no unique key makes --------------------------------------

CREATE INDEX movie_rating_idx ON movies (rating);
CREATE INDEX movie_title_idx ON movies (title);
CREATE INDEX movie_title_original_idx ON movies (title_original);
CREATE INDEX person_name_idx ON persons (last_name, first_name);
CREATE INDEX publications_create_date_idx ON publications (created_at);
CREATE INDEX publications_title_idx ON publications (title);
CREATE INDEX user_fio_idx ON users (fio);
CREATE INDEX user_username_idx ON users (username);
