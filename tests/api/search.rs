//! Search: the hits of queries of all kinds, on both databases.

use sea_orm::ConnectionTrait;
use serde_json::{Value, json};

use crate::app::TestApp;
use crate::support::database::{Backend, TestDatabase};

on_both!(
    queries_find_the_expected_hits,
    hits_have_type_score_and_order,
    snippets_mark_the_words,
    pages_of_hits_can_be_walked_in_both_directions,
    types_narrow_the_search,
    hits_follow_the_rows,
    typos_are_tolerated_among_many_names,
    phrases_are_found_behind_many_texts_with_their_words,
    no_query_breaks_the_search,
);

const SEARCH: &str = "query($query: String!, $types: [SearchType!]) { search(query: $query, types: $types, first: 100) {
    totalCount nodes { score snippet node { __typename
        ... on Movie { title } ... on Person { title: lastName } ... on Publication { title } ... on Cinema { title } } } } }";

/// A small catalogue with all difficult cases.
pub async fn app(backend: Backend) -> TestApp {
    let app = TestApp::start(TestDatabase::migrated(backend).await, &[]).await;
    let rows = "
        INSERT INTO users (username, email, password, fio, birthday) VALUES ('u', 'u@example.org', '!', 'У', '1990-01-01');
        INSERT INTO publications_category (title) VALUES ('Эссе');
        INSERT INTO movies (title, title_original, duration) VALUES
            ('Ёлки', 'Trees', 90), ('Зеркало', 'The Mirror', 90), ('Матрица', 'The Matrix', 90),
            ('Матрица: Перезагрузка', 'The Matrix Reloaded', 90), ('Ночной дозор', 'Night Watch', 90),
            ('Дневной дозор', 'Day Watch', 90), ('Терминатор 2', 'Terminator 2: Judgment Day', 90), ('Оно', 'It', 90),
            ('Человек-паук', 'Spider-Man', 90), ('Война и мир', NULL, 90), ('Кумир', NULL, 90),
            ('Фильм о фильме', NULL, 90), ('Москва слезам не верит', NULL, 90), ('100% волк', '100% Wolf', 90), ('Кто я?', NULL, 90),
            ('Тихий Дон', NULL, 90), ('Алые паруса', NULL, 90), ('Вторая алая роза', NULL, 90), ('Гусарская баллада', 'О''Коннор', 90),
            ('Пришелец E.T.', NULL, 90), ('Чертова служба', 'M*A*S*H', 90),
            ('З/Л/О', 'V/H/S', 90), ('Робот A.I. и мы', NULL, 90), ('Иллюзия убийства', 'F/X', 90);
        INSERT INTO persons (country, last_name, first_name, mid_name) VALUES
            ('Россия', 'Пушкин', 'Александр', 'Сергеевич'), ('Россия', 'Тарковский', 'Андрей', 'Арсеньевич'),
            ('Россия', 'Фёдоров', 'Пётр', NULL), ('США', 'Lynch', 'David', NULL), ('США', 'Ли', 'Брюс', NULL),
            ('Китай', 'Ли', 'Ян', NULL), ('Россия', 'Чехов', 'Антон', 'Павлович'), ('Россия', 'Толстой', 'Лев', NULL);
        INSERT INTO publications (title, text, author, category) VALUES
            ('О режиссёрах', 'Всякий фильм начинается с замысла. Тарковский снял Зеркало, а потом уехал на дачу под Рязанью, где росли яблони и груши.', 1, 1),
            ('Заметки', 'Мы говорили о фильмах и о музыке. Война и мир экранизированы в 1941-1945 годах.', 1, 1),
            ('Рецензия на Матрицу', 'Мир, где война машин и людей идёт, а кино молчит.', 1, 1),
            ('Пустяки', 'Котики и ёжики. За\u{301}мок на холме, The Matrix там не снимали.', 1, 1),
            ('Солдаты', 'Вышли три товарища. M.A.S.H. — комедия о войнушке, а E.T. снят позже.', 1, 1),
            ('Три товарища', 'О дружбе, и ни слова больше.', 1, 1),
            ('Друзья', 'Смотри внутри: тридцать товарищей.', 1, 1),
            ('О разном', 'Мировая премьера сериалов. Героями стали музеи, съёмок не было, экраны гасли, острова кинжалов.', 1, 1);
        INSERT INTO cinema_online (title, url) VALUES ('Иви', 'https://ivi.example'), ('Кинопоиск', 'https://kp.example')";
    app.sql().await.execute_unprepared(rows).await.unwrap();
    app
}

/// The titles of the hits, in order.
async fn titles(app: &TestApp, query: &str) -> Vec<String> {
    let data = app.data(SEARCH, json!({ "query": query })).await;
    let nodes = data["search"]["nodes"].as_array().unwrap();
    assert_eq!(data["search"]["totalCount"].as_u64().unwrap().min(100), nodes.len() as u64);
    nodes.iter().map(|hit| hit["node"]["title"].as_str().unwrap().to_owned()).collect()
}

async fn queries_find_the_expected_hits(backend: Backend) {
    let app = app(backend).await;
    let mut wrong = Vec::new();
    for (query, expected) in [
        // Forms of words, in texts and titles.
        ("фильмами", "Фильм о фильме|Заметки|О режиссёрах"),
        ("режисс", "О режиссёрах"),
        ("тарковский", "Тарковский|О режиссёрах"),
        // Forms with different stems in Snowball, and fleeting vowels.
        ("сериал", "О разном"),
        ("сериалами", "О разном"),
        ("герой", "О разном"),
        ("музей", "О разном"),
        ("экран", "О разном|Заметки"),
        ("экранов", "О разном|Заметки"),
        ("остров", "О разном"),
        ("съёмка", "О разном"),
        ("зеркалами", "Зеркало|О режиссёрах"),
        ("премьера -сериал", ""),
        ("премьера -съёмка", ""),
        ("кино", "Кинопоиск|Рецензия на Матрицу"),
        ("тихого дона", "Тихий Дон"),
        ("алых парусов", "Алые паруса"),
        ("льва толстого", "Толстой"),
        ("Чехову", "Чехов"),
        ("мир -мировая", "Война и мир|Кумир|Рецензия на Матрицу|Заметки"),
        // Initials.
        ("Чехов А. П.", "Чехов"),
        ("Л. Толстой", "Толстой"),
        ("Б. Толстой", ""),
        ("А. Толстой", ""),
        ("Чеховым", "Чехов"),
        ("дозорами", "Ночной дозор|Дневной дозор"),
        ("тарков", "Тарковский|О режиссёрах"),
        ("А. С. Пушкин", "Пушкин"),
        ("о'коннор", "Гусарская баллада"),
        // Case and ё.
        ("елки", "Ёлки"),
        ("ЁЛКИ", "Ёлки"),
        ("петр федоров", "Фёдоров"),
        ("замок", "Пустяки"),
        // Parts of words in titles.
        ("дозор", "Ночной дозор|Дневной дозор"),
        ("перезагр", "Матрица: Перезагрузка"),
        ("мир", "Война и мир|Кумир|Рецензия на Матрицу|Заметки"),
        // All words must occur, in any order.
        ("война мир", "Война и мир|Рецензия на Матрицу|Заметки"),
        ("александр пушкин", "Пушкин"),
        ("Пушкин Александр", "Пушкин"),
        ("человек паук", "Человек-паук"),
        // Two scripts, digits, punctuation.
        ("матрица reloaded", "Матрица: Перезагрузка"),
        ("matrix", "Матрица|Матрица: Перезагрузка|Пустяки"),
        ("spider-man", "Человек-паук"),
        ("1945", "Заметки"),
        ("100%", "100% волк"),
        ("100_", "100% волк"),
        // Phrases and exclusions.
        ("\"война и мир\"", "Война и мир|Заметки"),
        ("«война и мир»", "Война и мир|Заметки"),
        ("\"мир война\"", ""),
        ("\"человек-паук\"", "Человек-паук"),
        ("\"матрица перезагрузка\"", "Матрица: Перезагрузка"),
        ("\"матрица", "Матрица|Матрица: Перезагрузка|Рецензия на Матрицу"),
        ("матрица -перезагрузка", "Матрица|Рецензия на Матрицу"),
        ("матрица -мир", "Матрица|Матрица: Перезагрузка"),
        ("матрица -\"война машин\"", "Матрица|Матрица: Перезагрузка"),
        ("фильм -музыка", "Фильм о фильме|О режиссёрах"),
        ("матрица -reloaded", "Матрица|Рецензия на Матрицу"),
        ("матрица –перезагрузка", "Матрица|Рецензия на Матрицу"),
        ("кинопоиск -иви", "Кинопоиск"),
        ("иногда -матрица", ""),
        // Exclusions work also for words that PostgreSQL's index lacks.
        ("товарища", "Три товарища|Друзья|Солдаты"),
        ("товарища -три", "Друзья"),
        ("товарищи -\"три товарища\"", "Друзья"),
        ("товарищи -\"вышли три\"", "Три товарища|Друзья"),
        ("дружба -больше", ""),
        ("дружба -слово", ""),
        // Abbreviations.
        ("E.T.", "Пришелец E.T.|Солдаты"),
        ("«e.t.»", "Пришелец E.T.|Солдаты"),
        ("M.A.S.H.", "Чертова служба|Солдаты"),
        ("M. A. S. H", "Чертова служба|Солдаты"),
        ("V/H/S", "З/Л/О"),
        ("A.I.", "Робот A.I. и мы"),
        ("\"a.i.\"", "Робот A.I. и мы"),
        ("v h s", "З/Л/О"),
        ("F/X", "Иллюзия убийства"),
        ("товарищи -M.A.S.H.", "Три товарища|Друзья"),
        // Stop words are only found in titles.
        ("оно", "Оно"),
        ("кто я", "Кто я?"),
        ("и на в", ""),
        ("ли", "Ли|Ли"),
        ("брюс ли", "Ли"),
        ("Ян Ли", "Ли"),
        ("терминатор 2", "Терминатор 2"),
        // Only punctuation.
        ("", ""),
        ("   ", ""),
        ("э", ""),
        ("?! … —", ""),
        ("\"", ""),
        ("\"\"", ""),
        ("-", ""),
        ("😀", ""),
        ("\u{1}\u{2}", ""),
        ("'; drop table --", ""),
        ("a & | ! b:*", ""),
        ("OR AND NOT NEAR(", ""),
        // Typos, if the words as typed have no hits.
        ("Матрца", "Матрица|Матрица: Перезагрузка|Рецензия на Матрицу"),
        ("Пушкын", "Пушкин"),
        ("Тарквский", "Тарковский"),
        ("режисер", "О режиссёрах"),
        ("дозро ночной", "Ночной дозор"),
        ("пушикн", "Пушкин"),
        ("зекрало", "Зеркало"),
        ("перезагурзак", "Матрица: Перезагрузка"),
        ("Терминотор", "Терминатор 2"),
        ("мариц", "Матрица|Рецензия на Матрицу|Матрица: Перезагрузка"),
        ("Рецензия -война", ""),
        ("Рецензию -людей", ""),
        ("дам", ""),
        // The other keyboard layout, and Latin letters in a Russian word.
        ("vfnhbwf", "Матрица|Матрица: Перезагрузка|Рецензия на Матрицу"),
        ("Ьфекшч", "Матрица|Матрица: Перезагрузка|Пустяки"),
        ("`krb", "Ёлки"),
        ("vfnhbwf -gthtpfuheprf", "Матрица|Рецензия на Матрицу"),
        ("Маtrix", "Матрица|Матрица: Перезагрузка|Пустяки"),
        ("\"djqyf b vbh\"", "Война и мир|Заметки"),
        ("Maтpицa", "Матрица|Матрица: Перезагрузка|Рецензия на Матрицу"),
    ] {
        let found = titles(&app, query).await.join("|");
        if found != expected {
            wrong.push(format!("{query:?} finds {found:?}, not {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

async fn hits_have_type_score_and_order(backend: Backend) {
    let app = app(backend).await;
    let data = app.data(SEARCH, json!({ "query": "Матрица" })).await;
    let hits = data["search"]["nodes"].as_array().unwrap();
    assert_eq!((&hits[0]["node"]["__typename"], &hits[0]["score"]), (&json!("Movie"), &json!(1.0)));
    assert_eq!(hits[2]["node"]["__typename"], json!("Publication"));
    let scores: Vec<_> = hits.iter().map(|hit| hit["score"].as_f64().unwrap()).collect();
    assert!(scores.is_sorted_by(|a, b| a >= b) && scores.iter().all(|score| (0.5..=1.0).contains(score)), "{scores:?}");
    let data = app.data(SEARCH, json!({ "query": "фильм тарковский" })).await;
    let score = data["search"]["nodes"][0]["score"].as_f64().unwrap();
    assert!((0.0..=0.5).contains(&score), "a text scores less than a title: {score}");
}

async fn snippets_mark_the_words(backend: Backend) {
    let app = app(backend).await;
    let snippets = async |query| {
        let data = app.data(SEARCH, json!({ "query": query })).await;
        let nodes = data["search"]["nodes"].as_array().unwrap().clone();
        nodes.iter().map(|hit| hit["snippet"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(
        snippets("музыкой").await,
        [json!("Мы говорили о фильмах и о <mark>музыке</mark>. Война и мир экранизированы в 1941-1945 годах.")]
    );
    assert_eq!(snippets("пустяки").await, [Value::Null], "the word is only in the title");
    assert_eq!(snippets("пушкин").await, [Value::Null]);
    let script = "UPDATE publications SET text = '<script>alert(1)</script> & музыка' WHERE id = 2";
    app.sql().await.execute_unprepared(script).await.unwrap();
    assert_eq!(snippets("музыка").await, [json!("&lt;script&gt;alert(1)&lt;/script&gt; &amp; <mark>музыка</mark>")]);
}

async fn pages_of_hits_can_be_walked_in_both_directions(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let ask = async |args: String| {
        let query = format!(
            "{{ search(query: \"зима\", {args}) {{ totalCount edges {{ cursor node {{ score node {{ __typename
             ... on Movie {{ id }} ... on Person {{ id }} ... on Publication {{ id }} ... on Cinema {{ id }} }} }} }}
             pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }} }} }}"
        );
        app.data(&query, json!({})).await["search"].clone()
    };
    let ids = |page: &Value| -> Vec<String> {
        let edges = page["edges"].as_array().unwrap();
        edges.iter().map(|edge| edge["node"]["node"]["id"].as_str().unwrap().to_owned()).collect()
    };
    let (mut forward, mut place) = (Vec::new(), String::new());
    loop {
        let page = ask(format!("first: 7 {place}")).await;
        forward.extend(ids(&page));
        place = format!("after: {}", page["pageInfo"]["endCursor"]);
        if page["pageInfo"]["hasNextPage"] == json!(false) {
            break;
        }
    }
    let (mut backward, mut place) = (Vec::new(), String::new());
    loop {
        let page = ask(format!("last: 9 {place}")).await;
        backward.splice(0..0, ids(&page));
        place = format!("before: {}", page["pageInfo"]["startCursor"]);
        if page["pageInfo"]["hasPreviousPage"] == json!(false) {
            break;
        }
    }
    assert_eq!(forward, backward);
    let total = ask("first: 0".to_owned()).await["totalCount"].as_u64().unwrap();
    assert!(total > 20 && forward.len() as u64 == total, "{total}");
    let errors = app.query("{ search(query: \"зима\", first: 101) { totalCount } }", json!({})).await.errors();
    assert_eq!(errors, ["BAD_USER_INPUT first: 101 is out of range; use 0 to 100"]);
    for cursor in ["?", "WyJtb3ZpZXMiLCJZRUFSIixbeyJpIjoxOTIwfSx7ImkiOjE4OX1dXQ"] {
        let query = format!("{{ search(query: \"зима\", after: \"{cursor}\") {{ totalCount }} }}");
        assert!(app.query(&query, json!({})).await.errors()[0].starts_with("BAD_USER_INPUT after: "));
    }
}

async fn types_narrow_the_search(backend: Backend) {
    let app = app(backend).await;
    for (types, expected) in [
        (json!(null), 3),
        (json!(["MOVIE"]), 2),
        (json!(["PUBLICATION", "PUBLICATION"]), 1),
        (json!(["PERSON", "CINEMA"]), 0),
        (json!([]), 0),
    ] {
        let data = app.data(SEARCH, json!({ "query": "матрица", "types": types })).await;
        assert_eq!(data["search"]["totalCount"], json!(expected), "{types}");
    }
}

/// Rows written with plain SQL are found, and deleted rows are not.
async fn hits_follow_the_rows(backend: Backend) {
    let app = app(backend).await;
    let db = app.sql().await;
    db.execute_unprepared("UPDATE publications SET text = 'О балете' WHERE id = 2").await.unwrap();
    assert_eq!(titles(&app, "балеты").await, ["Заметки"]);
    assert_eq!(titles(&app, "музыка").await, [""; 0]);
    db.execute_unprepared("DELETE FROM publications WHERE id = 2").await.unwrap();
    assert_eq!(titles(&app, "балеты").await, [""; 0]);
    db.execute_unprepared("UPDATE movies SET title = 'Балет' WHERE id = 1").await.unwrap();
    assert_eq!(titles(&app, "балет").await, ["Балет"]);
    assert_eq!(titles(&app, "елки").await, [""; 0]);
}

/// Even if many names have the same ending.
async fn typos_are_tolerated_among_many_names(backend: Backend) {
    let app = app(backend).await;
    let many = "INSERT INTO persons (country, last_name, first_name)
        WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
        SELECT 'Россия', 'Бел' || i || 'овский', 'Анна' FROM n";
    app.sql().await.execute_unprepared(many).await.unwrap();
    assert_eq!(titles(&app, "Таркавский").await, ["Тарковский"]);
    assert_eq!(titles(&app, "Траковский").await, ["Тарковский"]);
}

/// Even if many newer texts have the words of a phrase but not the phrase.
async fn phrases_are_found_behind_many_texts_with_their_words(backend: Backend) {
    let app = app(backend).await;
    let many = "INSERT INTO publications (title, text, author, category)
        WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1500)
        SELECT 'Часть ' || i, 'Музыка говорили о фильмах', 1, 1 FROM n";
    app.sql().await.execute_unprepared(many).await.unwrap();
    assert_eq!(titles(&app, "\"о фильмах и о музыке\"").await, ["Заметки"]);
    assert_eq!(titles(&app, "\"музыка говорили\"").await.len(), 100);
    assert_eq!(titles(&app, "музыка говорили -\"музыка говорили\"").await, ["Заметки"]);
}

async fn no_query_breaks_the_search(backend: Backend) {
    let app = app(backend).await;
    for (query, error) in [
        ("я".repeat(201), "query: must be at most 200 characters long"),
        ("я".repeat(10_000), "query: must be at most 200 characters long"),
        ("да ".repeat(17), "query: has too many words; the limit is 16"),
        ("-матрица".to_owned(), "query: contains only exclusions; add a word to search for"),
    ] {
        let errors = app.query(SEARCH, json!({ "query": query })).await.errors();
        assert_eq!(errors, [format!("BAD_USER_INPUT {error}")]);
    }
    let signs = [
        "\"",
        "'",
        "*",
        "(",
        ")",
        ":",
        "^",
        "-",
        "+",
        "\\",
        "%",
        "_",
        "\0",
        "\u{200b}",
        "{",
        "<->",
        "\u{10ffff}",
        "NEAR",
    ];
    for left in signs {
        for right in signs {
            for query in [format!("{left}{right}"), format!("{left}мир{right}"), format!("мир {left} {right} война")]
            {
                let answer = app.query(SEARCH, json!({ "query": query })).await;
                let only_left_out = answer.0["errors"][0]["message"]
                    == json!("query: contains only exclusions; add a word to search for");
                assert!(answer.0["errors"].is_null() || only_left_out, "{query:?}: {answer}");
            }
        }
    }
}
