//! A catalogue of any size, created with SQL on either database, for tests of plans and costs.

use sea_orm::{ConnectionTrait, DatabaseConnection};

/// Fills an empty, migrated database with `movies` movies and dependent rows in the proportions of
/// the demo, and vacuums it. One movie in a thousand has the rare country "Чад" and the rare tag
/// "Трэш".
pub async fn fill(db: &DatabaseConnection, movies: u32) {
    let numbers =
        |count: u32| format!("WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})");
    let persons = movies / 2;
    // Numbers without a correlation to the index.
    let dice =
        |step: u32, sides: u32| format!("CAST(CAST(i % 100003 AS bigint) * {step} % 99991 % {sides} AS integer)");
    let pick = |step: u32, words: &[&str]| {
        let arms: Vec<_> =
            words.iter().enumerate().map(|(place, word)| format!("WHEN {place} THEN '{word}'")).collect();
        format!("CASE {} {} END", dice(step, u32::try_from(words.len()).unwrap()), arms.join(" "))
    };
    let kinds = pick(7_919, &["Зимний", "Тёплый", "Последний", "Ночной", "Тихий", "Чужой", "Белый", "Старый"]);
    let things = pick(104_729, &["вечер", "дом", "поезд", "берег", "сад", "город", "мост", "ветер", "голос", "снег"]);
    let countries = pick(611_953, &["Россия", "Россия", "Россия", "США", "США", "Франция", "Италия", "Япония"]);
    let tags = pick(15_485_863, &["[\"Драма\"]", "[\"Драма\", \"Комедия\"]", "[\"Комедия\"]", "[\"Триллер\"]", "[]"]);
    let marks = pick(32_452_843, &["0+", "6+", "12+", "16+", "18+"]);
    let statements = [
        "INSERT INTO tags (title) VALUES ('Драма'), ('Комедия'), ('Триллер'), ('Трэш')".to_owned(),
        "INSERT INTO person_position (title) VALUES ('Режиссёр'), ('Актёр'), ('Сценарист')".to_owned(),
        "INSERT INTO film_award_registry (title) VALUES ('Ника'), ('Оскар'), ('Сезар')".to_owned(),
        "INSERT INTO film_award_nominations_registry (title) VALUES ('Лучший фильм')".to_owned(),
        "INSERT INTO publications_category (title) VALUES ('Рецензия'), ('Эссе')".to_owned(),
        format!(
            "{} INSERT INTO cinema_online (title, url)
             SELECT 'Кинотеатр ' || i, 'https://cinema' || i || '.example' FROM n",
            numbers(10)
        ),
        format!(
            "{} INSERT INTO users (username, email, password, fio, birthday)
             SELECT 'user' || i, 'user' || i || '@example.org', '!', 'Имя', '1990-01-01' FROM n",
            numbers(20)
        ),
        format!(
            "{} INSERT INTO persons (last_name, first_name, country, birthday)
             SELECT {kinds} || i, 'Анна', {countries},
                 CASE WHEN i % 10 > 0 THEN {} END FROM n",
            numbers(persons),
            date(db, &dice(1_299_709, 30_000)),
        ),
        format!(
            "{} INSERT INTO movies
                 (title, title_original, country, year, boxoffice, rating, duration, rars, tags)
             SELECT {kinds} || ' ' || {things} || ' ' || i,
                 CASE WHEN i % 3 = 0 THEN 'The Night of ' || i END,
                 CASE WHEN i % 1000 = 7 THEN 'Чад' ELSE {countries} END,
                 CASE WHEN i % 20 > 0 THEN 1920 + {} END,
                 CASE WHEN i % 3 > 0 THEN {} * 1000.50 END,
                 1 + {}, 40 + {}, {marks},
                 CASE WHEN i % 1000 = 9 THEN {trash} ELSE {} END FROM n",
            numbers(movies),
            dice(179_424_673 % 99_991, 106),
            dice(2_038_074_743 % 99_991, 90_000),
            dice(86_028_121 % 99_991, 5),
            dice(122_949_823 % 99_991, 160),
            json(db, &tags),
            trash = json(db, "'[\"Трэш\"]'"),
        ),
        format!(
            "{} INSERT INTO movie_staff_m2m (movie_id, person_id, position_id)
             SELECT 1 + i % {movies}, 1 + {}, 1 + i % 3 FROM n",
            numbers(movies * 3),
            dice(49_979_687 % 99_991, persons),
        ),
        format!(
            "{} INSERT INTO awards (movie_id, film_award_id, nomination_id)
             SELECT i * 5, 1 + i % 3, 1 FROM n",
            numbers(movies / 5)
        ),
        // Eight cinemas have many movies, the tenth one in a hundred.
        format!(
            "{} INSERT INTO cinema_online_movie_presence (movie_id, cinema_id, price, rating, discount)
             SELECT i, 1 + i % 8, 99 + {}, 4, 10 FROM n
             UNION ALL SELECT i, CASE WHEN i % 50 = 0 THEN 10 ELSE 9 END, 150, 4, 10 FROM n WHERE i % 2 = 0",
            numbers(movies),
            dice(67_867_967 % 99_991, 400),
        ),
        format!(
            "{} INSERT INTO users_rating (user_id, movie_id, rating)
             SELECT 1 + i % 20, i, 1 + {} FROM n WHERE i % 3 > 0",
            numbers(movies),
            dice(373_587_883 % 99_991, 5)
        ),
    ];
    for statement in statements {
        db.execute_unprepared(&statement).await.unwrap_or_else(|error| panic!("{error}: {statement}"));
    }
    // Merges the pending list of the trigram index.
    db.execute_unprepared(if is_sqlite(db) { "ANALYZE" } else { "VACUUM ANALYZE" }).await.unwrap();
}

fn is_sqlite(db: &DatabaseConnection) -> bool {
    db.get_database_backend() == sea_orm::DbBackend::Sqlite
}

fn date(db: &DatabaseConnection, days: &str) -> String {
    if is_sqlite(db) { format!("date('1920-01-01', {days} || ' days')") } else { format!("date '1920-01-01' + {days}") }
}

fn json(db: &DatabaseConnection, text: &str) -> String {
    if is_sqlite(db) { text.to_owned() } else { format!("CAST({text} AS jsonb)") }
}

/// Every filter of `movies`. The name says whether it matches few, many or no movies, where that makes a
/// difference.
pub const MOVIE_FILTERS: &[(&str, &str)] = &[
    ("none", "{}"),
    ("title, 1 in 10", "{ title: \"вечер\" }"),
    ("title, one", "{ title: \"вечер 77\" }"),
    ("title, nothing", "{ title: \"нет такого\" }"),
    ("title, begins with 2 letters", "{ title: \"Зи\" }"),
    ("year, one", "{ year: { from: 1999, to: 1999 } }"),
    ("year, half", "{ year: { from: 1973 } }"),
    ("year, nothing", "{ year: { from: 2100 } }"),
    ("country, 1 in 4", "{ country: \"США\" }"),
    ("country, 1 in 1,000", "{ country: \"Чад\" }"),
    ("country, nothing", "{ country: \"Атлантида\" }"),
    ("rating, 1 in 5", "{ rating: { from: 5 } }"),
    ("rating, nothing", "{ rating: { from: 6 } }"),
    ("durationMinutes, 1 in 160", "{ durationMinutes: { from: 90, to: 90 } }"),
    ("durationMinutes, nothing", "{ durationMinutes: { from: 1000 } }"),
    ("ageRating, 2 in 5", "{ ageRating: [FROM_0, FROM_18] }"),
    ("tags, 2 in 5", "{ tags: { all: [\"Драма\"] } }"),
    ("tags, all of 2", "{ tags: { all: [\"Драма\", \"Комедия\"] } }"),
    ("tags, any of 2", "{ tags: { any: [\"Драма\", \"Комедия\"] } }"),
    ("tags, 1 in 1,000", "{ tags: { any: [\"Трэш\"] } }"),
    ("tags, unknown", "{ tags: { all: [\"Нет такого\"] } }"),
    ("personId", "{ personId: \"UGVyc29uOjc\" }"),
    ("awardId, 1 in 15", "{ awardId: \"RmlsbUF3YXJkOjE\" }"),
    ("cinemaId, 1 in 8", "{ cinemaId: \"Q2luZW1hOjE\" }"),
    ("cinemaId, 1 in 50", "{ cinemaId: \"Q2luZW1hOjEw\" }"),
    ("maxPrice, 1 in 4", "{ maxPrice: \"200.00\" }"),
    ("maxPrice, nothing", "{ maxPrice: \"0\" }"),
    ("cinemaId and maxPrice", "{ cinemaId: \"Q2luZW1hOjE\", maxPrice: \"120\" }"),
    ("country, year, tag", "{ country: \"США\", year: { from: 1999 }, tags: { all: [\"Драма\"] } }"),
];

/// The orders of `movies`, each in one direction. The other one reads the same index backwards.
pub const MOVIE_ORDERS: &[&str] = &["NEWEST", "TITLE", "YEAR", "RATING", "USER_RATING_DESC", "BOX_OFFICE_DESC"];
