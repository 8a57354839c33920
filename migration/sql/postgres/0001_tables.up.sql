-- The sixteen tables of the online film library, their comments and the
-- thirty-five indexes that carry the original's names.
--
-- Runs by itself in an empty database: psql -v ON_ERROR_STOP=1 -f <this file>

DO $$
BEGIN
    EXECUTE format(
        'COMMENT ON DATABASE %I IS %L',
        current_database(),
        'БД КИНОТЕКА - Каталог данных о фильмах и сериалах для студентов изучающих современное искусство'
    );
EXCEPTION WHEN insufficient_privilege THEN
    RAISE WARNING 'the database keeps its comment: only its owner may set it';
END
$$;

-- Reference data ------------------------------------------------------------

CREATE TABLE tags (
    title varchar(56) NOT NULL,
    -- A primary key under the name that the unique index always had.
    CONSTRAINT tags_title_key PRIMARY KEY (title)
);
COMMENT ON TABLE tags IS 'Теги фильмов и публикаций';

CREATE TABLE person_position (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    title varchar(128) NOT NULL,
    CONSTRAINT person_position_title_key UNIQUE (title)
);
COMMENT ON TABLE person_position IS 'Справочник ролей персон на производстве: режиссёр, актёр и другие';

CREATE TABLE film_award_registry (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    title varchar(128) NOT NULL,
    description text
);
COMMENT ON TABLE film_award_registry IS 'Справочник кинопремий';

CREATE TABLE film_award_nominations_registry (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    title varchar(128) NOT NULL,
    description text
);
COMMENT ON TABLE film_award_nominations_registry IS 'Справочник номинаций кинопремий';

CREATE TABLE cinema_online (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    title varchar(128) NOT NULL,
    url text NOT NULL,
    CONSTRAINT cinema_online_title_key UNIQUE (title),
    CONSTRAINT cinema_online_url_key UNIQUE (url)
);
COMMENT ON TABLE cinema_online IS 'Справочник онлайн-кинотеатров';

CREATE TABLE publications_category (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    title varchar(24) NOT NULL,
    CONSTRAINT publications_category_title_key UNIQUE (title)
);
COMMENT ON TABLE publications_category IS 'Справочник категорий публикаций';

-- Catalogue -----------------------------------------------------------------

-- PostgreSQL's numeric has a NaN above every number, which is no amount of money.

CREATE TABLE movies (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    isbn varchar(12),
    title varchar NOT NULL,
    title_original varchar,
    country varchar(128),
    year smallint,
    budget numeric(15, 2),
    boxoffice numeric(15, 2),
    rating smallint,
    duration integer NOT NULL,
    rars varchar(12),
    tags jsonb,
    subject text,
    CONSTRAINT movies_year_check CHECK (year BETWEEN 1880 AND 2200),
    CONSTRAINT movies_budget_check CHECK (budget >= 0 AND budget < 'NaN'),
    CONSTRAINT movies_boxoffice_check CHECK (boxoffice >= 0 AND boxoffice < 'NaN'),
    CONSTRAINT movies_rating_check CHECK (rating BETWEEN 1 AND 5),
    CONSTRAINT movies_duration_check CHECK (duration >= 0),
    CONSTRAINT movies_rars_check CHECK (rars IN ('0+', '6+', '12+', '16+', '18+')),
    CONSTRAINT movies_tags_check CHECK (jsonb_typeof(tags) = 'array')
);
COMMENT ON TABLE movies IS 'Фильмы и сериалы';

CREATE TABLE persons (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    country varchar(128) NOT NULL,
    last_name varchar(128) NOT NULL,
    first_name varchar(128) NOT NULL,
    mid_name varchar(128),
    birthday date,
    bio text
);
COMMENT ON TABLE persons IS 'Персоны: актёры, режиссёры и другие участники производства';

CREATE TABLE movie_staff_m2m (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    character varchar(128),
    is_lead_role boolean NOT NULL DEFAULT false,
    position_id integer NOT NULL,
    person_id integer NOT NULL,
    movie_id integer NOT NULL,
    CONSTRAINT movie_staff_m2m_position_id_fkey FOREIGN KEY (position_id)
        REFERENCES person_position (id) ON DELETE RESTRICT,
    CONSTRAINT movie_staff_m2m_person_id_fkey FOREIGN KEY (person_id)
        REFERENCES persons (id) ON DELETE RESTRICT,
    CONSTRAINT movie_staff_m2m_movie_id_fkey FOREIGN KEY (movie_id)
        REFERENCES movies (id) ON DELETE CASCADE
);
COMMENT ON TABLE movie_staff_m2m IS 'Участие персон в производстве фильмов';

CREATE TABLE awards (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    film_award_id integer NOT NULL,
    movie_id integer NOT NULL,
    person_id integer,
    nomination_id integer NOT NULL,
    CONSTRAINT award_nomination_unique_constraint UNIQUE (film_award_id, movie_id, nomination_id),
    CONSTRAINT awards_film_award_id_fkey FOREIGN KEY (film_award_id)
        REFERENCES film_award_registry (id) ON DELETE RESTRICT,
    CONSTRAINT awards_movie_id_fkey FOREIGN KEY (movie_id)
        REFERENCES movies (id) ON DELETE RESTRICT,
    CONSTRAINT awards_person_id_fkey FOREIGN KEY (person_id)
        REFERENCES persons (id) ON DELETE RESTRICT,
    CONSTRAINT awards_nomination_id_fkey FOREIGN KEY (nomination_id)
        REFERENCES film_award_nominations_registry (id) ON DELETE RESTRICT
);
COMMENT ON TABLE awards IS 'Награды фильмов и персон';

CREATE TABLE cinema_online_movie_presence (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    movie_id integer NOT NULL,
    cinema_id integer NOT NULL,
    price numeric(10, 2) NOT NULL,
    rating integer NOT NULL,
    discount smallint NOT NULL DEFAULT 0,
    view_count bigint,
    last_update timestamptz,
    CONSTRAINT cinema_online_movie_presence_unique UNIQUE (movie_id, cinema_id),
    CONSTRAINT cinema_online_movie_presence_movie_id_fkey FOREIGN KEY (movie_id)
        REFERENCES movies (id) ON DELETE CASCADE,
    CONSTRAINT cinema_online_movie_presence_cinema_id_fkey FOREIGN KEY (cinema_id)
        REFERENCES cinema_online (id) ON DELETE CASCADE,
    CONSTRAINT cinema_online_movie_presence_price_check CHECK (price >= 0 AND price < 'NaN'),
    CONSTRAINT cinema_online_movie_presence_rating_check CHECK (rating BETWEEN 1 AND 5),
    CONSTRAINT cinema_online_movie_presence_discount_check CHECK (discount BETWEEN 0 AND 100)
);
COMMENT ON TABLE cinema_online_movie_presence IS 'Наличие фильмов в онлайн-кинотеатрах: цена, скидка студентам, просмотры';

-- People and what they do ---------------------------------------------------

CREATE TABLE users (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    username varchar(64) NOT NULL,
    email varchar(128) NOT NULL,
    password varchar(128) NOT NULL,
    fio varchar(256) NOT NULL,
    bio text,
    created_at date NOT NULL DEFAULT current_date,
    deleted_at date,
    birthday date NOT NULL,
    last_logon date,
    CONSTRAINT users_username_key UNIQUE (username),
    CONSTRAINT users_email_key UNIQUE (email),
    CONSTRAINT users_deleted_at_check CHECK (created_at <= deleted_at),
    CONSTRAINT users_birthday_check CHECK (birthday < current_date)
);
COMMENT ON TABLE users IS 'Пользователи кинотеки; удалённый пользователь помечается, но не стирается';

CREATE TABLE user_movie_orders (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    cinema_order_id uuid NOT NULL,
    movie_id integer NOT NULL,
    user_id integer NOT NULL,
    online_cinema_id integer NOT NULL,
    price numeric(10, 2) NOT NULL,
    date timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT user_movie_orders_m2m_pk2 UNIQUE (user_id, movie_id, online_cinema_id),
    CONSTRAINT user_movie_orders_movie_id_fkey FOREIGN KEY (movie_id)
        REFERENCES movies (id) ON DELETE RESTRICT,
    CONSTRAINT user_movie_orders_user_id_fkey FOREIGN KEY (user_id)
        REFERENCES users (id) ON DELETE RESTRICT,
    CONSTRAINT user_movie_orders_online_cinema_id_fkey FOREIGN KEY (online_cinema_id)
        REFERENCES cinema_online (id) ON DELETE RESTRICT,
    CONSTRAINT user_movie_orders_price_check CHECK (price >= 0 AND price < 'NaN')
);
COMMENT ON TABLE user_movie_orders IS 'Заказы фильмов пользователями в онлайн-кинотеатрах';

CREATE TABLE publications (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    title varchar(256) NOT NULL,
    text text NOT NULL,
    author integer NOT NULL,
    category integer NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    changed_at timestamptz NOT NULL DEFAULT now(),
    tags jsonb,
    CONSTRAINT publications_author_fkey FOREIGN KEY (author)
        REFERENCES users (id) ON DELETE RESTRICT,
    CONSTRAINT publications_category_fkey FOREIGN KEY (category)
        REFERENCES publications_category (id) ON DELETE RESTRICT,
    CONSTRAINT publications_tags_check CHECK (jsonb_typeof(tags) = 'array')
);
COMMENT ON TABLE publications IS 'Публикации о кино: обзоры, рецензии, статьи';

CREATE TABLE comments (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id integer,
    comment text NOT NULL,
    parent_id integer,
    movie_id integer,
    publication_id integer,
    created_at timestamptz NOT NULL DEFAULT now(),
    changed_at timestamptz,
    CONSTRAINT comments_user_id_fkey FOREIGN KEY (user_id)
        REFERENCES users (id) ON DELETE SET NULL,
    CONSTRAINT comments_parent_id_fkey FOREIGN KEY (parent_id)
        REFERENCES comments (id) ON DELETE RESTRICT,
    CONSTRAINT comments_movie_id_fkey FOREIGN KEY (movie_id)
        REFERENCES movies (id) ON DELETE CASCADE,
    CONSTRAINT comments_publication_id_fkey FOREIGN KEY (publication_id)
        REFERENCES publications (id) ON DELETE CASCADE,
    CONSTRAINT comments_subject_check CHECK (num_nonnulls(movie_id, publication_id) = 1),
    -- A parent exists before its replies, so a thread can never be a circle.
    CONSTRAINT comments_parent_id_check CHECK (parent_id < id)
);
COMMENT ON TABLE comments IS 'Комментарии к фильмам и публикациям, с ответами';

CREATE TABLE users_rating (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    rating smallint NOT NULL,
    user_id integer NOT NULL,
    movie_id integer,
    publication_id integer,
    created_at timestamptz NOT NULL DEFAULT now(),
    -- NULLs are equal here, or a second rating of one subject would pass.
    CONSTRAINT users_rating_unique_pk2 UNIQUE NULLS NOT DISTINCT (movie_id, publication_id, user_id),
    CONSTRAINT users_rating_user_id_fkey FOREIGN KEY (user_id)
        REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT users_rating_movie_id_fkey FOREIGN KEY (movie_id)
        REFERENCES movies (id) ON DELETE CASCADE,
    CONSTRAINT users_rating_publication_id_fkey FOREIGN KEY (publication_id)
        REFERENCES publications (id) ON DELETE CASCADE,
    CONSTRAINT users_rating_rating_check CHECK (rating BETWEEN 1 AND 5),
    CONSTRAINT users_rating_subject_check CHECK (num_nonnulls(movie_id, publication_id) = 1)
);
COMMENT ON TABLE users_rating IS 'Оценки фильмов и публикаций пользователями';

-- A reply is on its parent's subject, and neither ever changes. A trigger costs
-- one look-up by primary key for a reply and nothing for the rest; two composite
-- foreign keys would cost two more indexes on the busiest table. It keeps the
-- search path of this script: pg_restore --data-only, for one, empties its own.
CREATE FUNCTION comments_check_parent_subject() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF EXISTS (
        SELECT FROM comments AS parent
        WHERE parent.id = NEW.parent_id
          AND (parent.movie_id, parent.publication_id) IS DISTINCT FROM (NEW.movie_id, NEW.publication_id)
    ) THEN
        RAISE EXCEPTION 'comment % is on another subject than its parent %', NEW.id, NEW.parent_id
            USING ERRCODE = 'check_violation', TABLE = 'comments', CONSTRAINT = 'comments_parent_subject_check';
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER comments_parent_subject_check
AFTER INSERT ON comments
FOR EACH ROW WHEN (NEW.parent_id IS NOT NULL)
EXECUTE FUNCTION comments_check_parent_subject();

CREATE FUNCTION comments_refuse_move() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'comment % cannot move to another subject or parent', OLD.id
        USING ERRCODE = 'check_violation', TABLE = 'comments', CONSTRAINT = 'comments_immutable_subject_check';
END
$$;

CREATE TRIGGER comments_immutable_subject_check
BEFORE UPDATE OF parent_id, movie_id, publication_id ON comments
FOR EACH ROW
WHEN ((NEW.parent_id, NEW.movie_id, NEW.publication_id) IS DISTINCT FROM (OLD.parent_id, OLD.movie_id, OLD.publication_id))
EXECUTE FUNCTION comments_refuse_move();

-- Named indexes that no constraint makes -------------------------------------

CREATE INDEX movie_rating_idx ON movies (rating);
CREATE INDEX movie_title_idx ON movies (title);
CREATE INDEX movie_title_original_idx ON movies (title_original);
CREATE INDEX person_name_idx ON persons (last_name, first_name);
CREATE INDEX publications_create_date_idx ON publications (created_at);
CREATE INDEX publications_text_gin_idx ON publications USING gin (to_tsvector('russian', text));
CREATE INDEX publications_title_idx ON publications (title);
CREATE INDEX user_fio_idx ON users (fio);
CREATE INDEX user_username_idx ON users (username);
