-- Rows for the benchmark, in an empty migrated database:
--   psql -v movies=10000 -v catalogue=true -v sentences=500 -f rows.sql
--
-- Per movie: 3 persons, 8 staff entries, 1.5 awards, 4 presences, 1 user, 20 comments (one movie in
-- 500 has a thread of 500); per 40 movies a publication of `sentences` sentences, whose words take
-- long to index. With `catalogue=false`, only movies, users and comments.
-- The distribution is skewed as in real life: few people work on many movies, few movies get most
-- comments and some none, few words make up most of every text. Every run makes the same rows.

\set ON_ERROR_STOP on
\set QUIET on
BEGIN;
SELECT setseed(0.25) \g /dev/null
-- Parallel and synchronized scans would assign random numbers in another order in each run.
SET LOCAL max_parallel_workers_per_gather = 0;
SET LOCAL synchronize_seqscans = off;
SET LOCAL work_mem = '256MB';

-- Words and sentences ---------------------------------------------------------

CREATE TEMPORARY TABLE vocabulary ON COMMIT DROP AS
SELECT row_number() OVER (ORDER BY md5(root || middle || ending)) - 1 AS place, root || middle || ending AS word
FROM unnest(ARRAY['фильм', 'геро', 'камер', 'город', 'режиссер', 'сцен', 'музык', 'голос', 'свет', 'зрител', 'вечер',
                  'поезд', 'берег', 'снег', 'дорог', 'памят', 'тишин', 'лет', 'окн', 'сад', 'детств', 'письм']) AS root
CROSS JOIN unnest(ARRAY['', 'н', 'ов', 'ин', 'ск', 'еньк', 'ист', 'оват', 'тель', 'ость', 'ник', 'ич']) AS middle
CROSS JOIN unnest(ARRAY['а', 'у', 'ы', 'ом', 'ами', 'ах', 'е', 'ой', 'ого', 'ый']) AS ending;

-- Cubed, so that the hundred most frequent of 2,640 words make up a third of every text.
CREATE TEMPORARY TABLE sentences ON COMMIT DROP AS
WITH drawn AS MATERIALIZED (
    SELECT sentence, floor(2640 * random() ^ 3) AS place
    FROM generate_series(0, 3999) AS sentence CROSS JOIN generate_series(1, 6 + sentence % 7)
)
SELECT sentence, initcap(left(string_agg(word, ' '), 1)) || substr(string_agg(word, ' '), 2) || '.' AS text
FROM drawn JOIN vocabulary USING (place)
GROUP BY sentence;
CREATE INDEX ON sentences (sentence);
ANALYZE sentences;

-- Reference data --------------------------------------------------------------

INSERT INTO tags (title)
SELECT unnest(ARRAY['Боевик', 'Комедия', 'Триллер', 'Драма', 'Фантастика', 'Фэнтези', 'Ужасы', 'Документальный',
                    'Мелодрама', 'Сериал', 'Шоу', 'Трагикомедия']);
INSERT INTO person_position (title)
SELECT unnest(ARRAY['Режиссёр', 'Актёр', 'Продюсер', 'Оператор', 'Сценарист', 'Композитор', 'Художник', 'Монтажёр',
                    'Звукорежиссёр', 'Каскадёр', 'Гримёр', 'Костюмер', 'Хореограф', 'Декоратор', 'Редактор', 'Диктор']);
INSERT INTO film_award_registry (title)
SELECT unnest(ARRAY['Ника', 'Золотой глобус', 'Оскар', 'Каннские львы', 'Пальмовая ветвь', 'Сатурн', 'Золотой лев',
                    'Сезар', 'Золотая малина', 'Золотой орёл', 'Asian Film Awards']);
INSERT INTO film_award_nominations_registry (title)
SELECT unnest(ARRAY['Лучший фильм', 'Лучшая режиссура', 'Лучшая мужская роль', 'Лучшая женская роль', 'Лучший сценарий',
                    'Лучшая музыка', 'Лучшая операторская работа', 'Лучший монтаж', 'Лучший звук', 'Лучшие костюмы']);
INSERT INTO publications_category (title)
SELECT unnest(ARRAY['Обзор', 'Эссе', 'Отзыв', 'Анонс', 'Рецензия', 'Статья', 'Аналитика']);
INSERT INTO cinema_online (title, url)
SELECT title, 'https://cinema' || place || '.example'
FROM unnest(ARRAY['Кинопоиск', 'Окко', 'Иви', 'Premier', 'Мегого', 'Kion', 'Netflix', 'Start', 'More.tv', 'Amediateka'])
    WITH ORDINALITY AS cinema (title, place);

-- Movies and users ------------------------------------------------------------

INSERT INTO movies (isbn, title, title_original, country, year, budget, boxoffice, rating, duration, rars, tags, subject)
SELECT lpad(i::text, 12, '9'),
    (ARRAY['Зимний', 'Тёплый', 'Последний', 'Ночной', 'Тихий', 'Чужой', 'Белый', 'Старый'])[1 + floor(8 * random())]
        || ' ' || (ARRAY['вечер', 'дом', 'поезд', 'берег', 'сад', 'город', 'мост', 'ветер'])[1 + floor(8 * random())]
        || ' ' || i,
    CASE WHEN random() < 0.5 THEN 'The Night of ' || i END,
    (ARRAY['Россия', 'Россия', 'США', 'США', 'Франция', 'Италия', 'Япония'])[1 + floor(7 * random())],
    CASE WHEN random() < 0.95 THEN 2025 - floor(100 * random() ^ 2) END,
    CASE WHEN random() < 0.6 THEN floor(900 * random() ^ 2 + 1) * 1000000 END,
    CASE WHEN random() < 0.6 THEN floor(90000000000 * random() ^ 4) / 100 END,
    1 + floor(5 * random()),
    40 + floor(150 * random()),
    (ARRAY['0+', '6+', '12+', '16+', '18+'])[1 + floor(5 * random())],
    jsonb_build_array((ARRAY['Драма', 'Комедия', 'Триллер', 'Фантастика', 'Ужасы'])[1 + floor(5 * random() ^ 2)]),
    one.text || ' ' || other.text
FROM generate_series(1, :movies) AS i
JOIN sentences AS one ON one.sentence = i * 7 % 4000
JOIN sentences AS other ON other.sentence = i * 13 % 4000
ORDER BY i;

INSERT INTO users (username, email, password, fio, bio, birthday, created_at)
SELECT 'user' || i, 'user' || i || '@example.org', '!',
    (ARRAY['Анна', 'Мария', 'Ольга', 'Вера', 'Нина'])[1 + i % 5] || ' ' || (ARRAY['Зимина', 'Лаврова', 'Снегирёва'])[1 + i % 3],
    text, date '2007-01-01' - (i * 7 % 15000), date '2025-01-01' - (i % 1000)
FROM generate_series(1, :movies) AS i
JOIN sentences ON sentence = i * 11 % 4000
ORDER BY i;

-- The catalogue around the movies ---------------------------------------------

\if :catalogue

INSERT INTO persons (country, last_name, first_name, mid_name, birthday, bio)
SELECT (ARRAY['Россия', 'США', 'Франция', 'Италия'])[1 + floor(4 * random() ^ 2)],
    (ARRAY['Орлов', 'Соколов', 'Лебедев', 'Журавлёв', 'Чайкин', 'Воробьёв', 'Скворцов', 'Дроздов'])[1 + i % 8]
        || (ARRAY['', 'ский', 'енко', 'ич', 'ин'])[1 + i / 8 % 5],
    (ARRAY['Анна', 'Пётр', 'Ольга', 'Павел', 'Нина', 'Фёдор', 'Вера', 'Глеб'])[1 + i / 40 % 8],
    CASE WHEN i % 3 = 0 THEN 'Андреевич' END,
    date '1930-01-01' + floor(25000 * random())::integer,
    text
FROM generate_series(1, 3 * :movies) AS i
JOIN sentences ON sentence = i * 17 % 4000
ORDER BY i;

-- The number of entries of each movie, per ten movies, assigned in an order unrelated to ids.
CREATE TEMPORARY TABLE shares ON COMMIT DROP AS
SELECT id AS movie,
    (ARRAY[3, 5, 6, 7, 8, 8, 9, 10, 11, 13])[1 + (place * 7 + 1) % 10] AS staff,
    (ARRAY[0, 0, 0, 1, 1, 1, 1, 2, 3, 6])[1 + (place * 3 + 2) % 10] AS awards,
    (ARRAY[0, 2, 3, 4, 4, 4, 5, 5, 6, 7])[1 + place % 10] AS presences
FROM (SELECT id, row_number() OVER (ORDER BY md5(id::text)) AS place FROM movies) AS dealt;

INSERT INTO movie_staff_m2m (character, is_lead_role, position_id, person_id, movie_id)
SELECT CASE WHEN n > 2 THEN (ARRAY['Доктор', 'Капитан', 'Соседка', 'Учитель', 'Почтальон'])[1 + floor(5 * random())] END,
    n IN (3, 4),
    CASE WHEN n = 1 THEN 1 WHEN n > 2 THEN 2 ELSE 3 + floor(14 * random()) END,
    1 + floor(3 * :movies * random() ^ 2),
    movie
FROM shares CROSS JOIN generate_series(1, staff) AS n
ORDER BY movie, n;

INSERT INTO awards (film_award_id, movie_id, person_id, nomination_id)
SELECT 1 + (movie + n) % 11, movie,
    CASE WHEN random() < 0.6 THEN 1 + floor(3 * :movies * random() ^ 2) END,
    1 + (movie * 3 + n) % 10
FROM shares CROSS JOIN generate_series(1, awards) AS n
ORDER BY movie, n;

INSERT INTO cinema_online_movie_presence (movie_id, cinema_id, price, rating, discount, view_count, last_update)
SELECT movie, cinema, 100 + 50 * floor(8 * random()), 1 + floor(5 * random()), 10 + floor(41 * random()),
    floor(1000000 * random() ^ 4), timestamptz '2025-06-01 00:00Z' - floor(10000000 * random()) * interval '1 second'
FROM (
    SELECT movie, cinema, presences, row_number() OVER (PARTITION BY movie ORDER BY random() * cinema) AS place
    FROM shares CROSS JOIN generate_series(1, 10) AS cinema
) AS drawn
WHERE place <= presences
ORDER BY random();

INSERT INTO publications (title, text, author, category, created_at, changed_at, tags)
SELECT min('О кино, часть ' || i), string_agg(text, ' ' ORDER BY n), 1 + i * 31 % :movies, 1 + i % 7,
    timestamptz '2024-01-01 00:00Z' + i * interval '1 hour', timestamptz '2024-01-01 00:00Z' + i * interval '2 hours',
    jsonb '["Драма"]'
FROM generate_series(1, :movies / 40) AS i
CROSS JOIN generate_series(1, :sentences) AS n
JOIN sentences ON sentence = (i * 37 + n * 61) % 4000
GROUP BY i
ORDER BY i;

\endif

-- Comments --------------------------------------------------------------------

-- The subject of each comment (publications are negative), and its position among that subject's.
CREATE TEMPORARY TABLE remarks ON COMMIT DROP AS
WITH drawn AS MATERIALIZED (
    SELECT i,
        CASE WHEN :catalogue AND random() < 0.1 THEN -1 - floor(:movies / 40 * random() ^ 2)
             -- Coprime to the number of movies, so that popular ones are spread over the ids.
             ELSE 1 + floor(:movies * random() ^ 2)::bigint * 7919 % :movies END::integer AS subject,
        random() < 0.35 AS answers, random() AS dice
    FROM generate_series(1, 20 * :movies - 500 * (:movies / 500)) AS i
)
SELECT i, subject, answers, dice, row_number() OVER (PARTITION BY subject ORDER BY i) AS place FROM drawn;
CREATE UNIQUE INDEX ON remarks (subject, place);
ANALYZE remarks;

-- One in three replies to one of the eight comments before it. The others start threads.
INSERT INTO comments (id, user_id, comment, parent_id, movie_id, publication_id, created_at)
OVERRIDING SYSTEM VALUE
SELECT own.i, 1 + floor(:movies * random() ^ 2),
    CASE own.i % 3 WHEN 0 THEN one.text WHEN 1 THEN one.text || ' ' || other.text
         ELSE one.text || ' ' || other.text || ' ' || one.text END,
    parent.i,
    CASE WHEN own.subject > 0 THEN own.subject END, CASE WHEN own.subject < 0 THEN -own.subject END,
    timestamptz '2024-01-01 00:00Z' + own.i * (interval '400 days' / (20 * :movies))
FROM remarks AS own
LEFT JOIN remarks AS parent
    ON own.answers AND own.place > 1 AND parent.subject = own.subject
    AND parent.place = own.place - 1 - least(floor(8 * own.dice), own.place - 2)
JOIN sentences AS one ON one.sentence = own.i * 7 % 4000
JOIN sentences AS other ON other.sentence = own.i * 13 % 4000
ORDER BY own.i;

-- Threads of 500: each comment replies to an earlier one of its thread, preferably an early one.
INSERT INTO comments (id, user_id, comment, parent_id, movie_id, created_at)
OVERRIDING SYSTEM VALUE
SELECT start + n, 1 + floor(:movies * random() ^ 2), text,
    CASE WHEN n > 1 THEN start + 1 + floor((n - 1) * random() ^ 1.5) END,
    thread * 500,
    timestamptz '2025-03-01 00:00Z' + (start + n - 20 * :movies) * interval '1 second'
FROM generate_series(1, :movies / 500) AS thread
CROSS JOIN LATERAL (SELECT 20 * :movies - 500 * thread AS start) AS place
CROSS JOIN generate_series(1, 500) AS n
JOIN sentences ON sentence = (thread * 41 + n * 19) % 4000
ORDER BY start + n;

SELECT setval(pg_get_serial_sequence('comments', 'id'), (SELECT max(id) FROM comments)) \g /dev/null
COMMIT;
VACUUM ANALYZE;
