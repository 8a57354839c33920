//! The form of input: invalid dates and numbers, invisible texts, and texts that look alike.

use entity::cinema_online;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};
use serde_json::{Value, json};

use crate::app::{TestApp, User, new_account};
use crate::movie::global_id;
use crate::support::database::Backend;

on_both!(
    invalid_dates_and_numbers_are_refused,
    invisible_texts_are_blank,
    names_are_stored_composed,
    new_values_must_differ_in_more_than_spelling,
    old_spellings_keep_working,
    an_account_is_found_by_either_spelling,
);

/// "й" as one character, and as a letter with a combining mark.
const COMPOSED: &str = "Май";
const DECOMPOSED: &str = "Маи\u{306}";

async fn invalid_dates_and_numbers_are_refused(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let editor = app.sign_in("editor", "editor").await;
    for birthday in [" 024-01-01", "+999-01-01", "-999-01-01", "2024-1-001", "2024-01-1 ", "２０２4-1", "2024/01/01"]
    {
        let person = json!({ "firstName": "А", "lastName": "Б", "country": "В", "birthday": birthday });
        let errors = editor.send("createPerson", person, "").await.errors();
        assert!(errors[0].contains("is not a date"), "{birthday:?}: {errors:?}");
    }
    for budget in ["1_0.5_0", "1_000", "+1.00", " 1", "1 ", ".5", "5.", "--1", "١", "0x10", "1e2"] {
        let movie = json!({ "title": "А", "durationMinutes": 1, "budget": budget });
        let errors = editor.send("createMovie", movie, "").await.errors();
        assert!(errors[0].contains("is not a decimal number"), "{budget:?}: {errors:?}");
    }
    for count in ["+5", " 5", "5 ", "1_000", "--5", ""] {
        let terms = json!({
            "movieId": global_id("Movie", 1), "cinemaId": global_id("Cinema", 1), "price": "1", "rating": 1, "viewCount": count,
        });
        let errors = editor.send("setAvailability", terms, "").await.errors();
        assert!(errors[0].contains("not a 64-bit integer"), "{count:?}: {errors:?}");
    }
    // Valid forms are accepted as before.
    let movie = json!({ "title": "А", "durationMinutes": 1, "budget": "007.50", "boxOffice": 12.5 });
    let made = editor.done("createMovie", movie, "movie { budget boxOffice }").await;
    assert_eq!(made["movie"], json!({ "budget": "7.50", "boxOffice": "12.50" }));
}

async fn invisible_texts_are_blank(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let editor = app.sign_in("editor", "editor").await;
    let movie = global_id("Movie", 1);
    for blank in
        ["\u{200b}", "\u{3164}", "\u{2800}\u{2800}", "\u{200d}\u{feff}", " \u{2060} ", "\u{e0020}\u{fe0f}", "\u{34f}"]
    {
        for (mutation, input, field) in [
            ("createMovie", json!({ "title": blank, "durationMinutes": 1 }), "title"),
            ("createTag", json!({ "title": blank }), "title"),
            ("addComment", json!({ "subjectId": movie, "text": blank }), "text"),
            ("updateProfile", json!({ "fullName": blank }), "fullName"),
            ("updateProfile", json!({ "bio": blank }), "bio"),
        ] {
            let problems = editor.refused(mutation, input).await;
            assert_eq!(problems, [format!("BAD_USER_INPUT input.{field}: must not be empty")], "{blank:?}");
        }
    }
    // Invisible characters are allowed next to others: they join emoji.
    let said = json!({ "subjectId": movie, "text": "👩\u{200d}🚀\u{fe0f}" });
    assert_eq!(editor.done("addComment", said, "comment { text }").await["comment"]["text"], "👩\u{200d}🚀\u{fe0f}");
}

async fn names_are_stored_composed(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let editor = app.sign_in("editor", "editor").await;
    editor.done("createTag", json!({ "title": DECOMPOSED }), "").await;
    let movie = json!({ "title": DECOMPOSED, "durationMinutes": 1, "tags": [DECOMPOSED] });
    let made = editor.done("createMovie", movie, "movie { id title tags }").await["movie"].clone();
    assert_eq!((&made["title"], &made["tags"]), (&json!(COMPOSED), &json!([COMPOSED])));
    let profile = json!({ "fullName": DECOMPOSED });
    assert_eq!(editor.done("updateProfile", profile, "user { fullName }").await["user"]["fullName"], COMPOSED);
    // A filter accepts either spelling.
    for tag in [COMPOSED, DECOMPOSED] {
        assert_eq!(movies_with(&app, tag).await, json!([{ "id": made["id"] }]));
    }
}

async fn movies_with(app: &TestApp, tag: &str) -> Value {
    let query = "query($tag: String!) { movies(filter: { tags: { all: [$tag], any: [$tag] } }) { nodes { id } } }";
    app.data(query, json!({ "tag": tag })).await["movies"]["nodes"].clone()
}

async fn new_values_must_differ_in_more_than_spelling(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let editor = app.sign_in("editor", "editor").await;
    let create = async |mutation: &str, title: &str| {
        let mut input = json!({ "title": title });
        if mutation == "createCinema" {
            input["url"] = json!(format!("https://{}.example", title.len()));
        }
        editor.refused(mutation, input).await
    };
    for mutation in ["createTag", "createPersonPosition", "createCinema", "createPublicationCategory"] {
        assert_eq!(create(mutation, COMPOSED).await, [""; 0]);
        let problems = create(mutation, DECOMPOSED).await;
        assert!(problems[0].starts_with("CONFLICT input.title"), "{mutation}: {problems:?}");
    }
    sign_up(&app, "first", &format!("{COMPOSED}@example.org")).await;
    let mut second = new_account("second", "correct horse battery");
    second["email"] = json!(format!("{DECOMPOSED}@example.org"));
    let problems = app.anonymous().refused("signUp", second).await;
    assert!(problems[0].starts_with("CONFLICT input.email"), "{problems:?}");
}

async fn sign_up(app: &TestApp, username: &str, email: &str) -> User {
    let mut account = new_account(username, "correct horse battery");
    account["email"] = json!(email);
    app.anonymous().done("signUp", account, "token").await;
    app.anonymous()
}

/// Rows that an earlier version, or SQL, stored in another spelling.
async fn old_spellings_keep_working(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let editor = app.sign_in("editor", "editor").await;
    let db = app.sql().await;
    if backend == Backend::Postgres {
        db.execute_unprepared("SET session_replication_role = replica").await.unwrap();
    }
    for old in [
        format!("INSERT INTO tags (title) VALUES ('{DECOMPOSED}')"),
        format!("INSERT INTO cinema_online (title, url) VALUES ('{DECOMPOSED}', 'https://old.example')"),
    ] {
        db.execute_unprepared(&old).await.unwrap();
    }
    // An object may keep its title, but no other object may get it.
    let old = cinema_online::Entity::find().filter(cinema_online::Column::Title.eq(DECOMPOSED));
    let id = global_id("Cinema", old.one(&db).await.unwrap().unwrap().id);
    let cinema = json!({ "id": id, "title": DECOMPOSED, "url": "https://new.example" });
    let kept = editor.done("updateCinema", cinema, "cinema { title url }").await;
    assert_eq!(kept["cinema"], json!({ "title": DECOMPOSED, "url": "https://new.example" }));
    for mutation in ["createTag", "createCinema"] {
        let mut input = json!({ "title": COMPOSED });
        if mutation == "createCinema" {
            input["url"] = json!("https://other.example");
        }
        let problems = editor.refused(mutation, input).await;
        assert!(problems[0].starts_with("CONFLICT input.title"), "{mutation}: {problems:?}");
    }
    // An object gets the existing tag in either spelling.
    for spelling in [COMPOSED, DECOMPOSED] {
        let movie = json!({ "title": "А", "durationMinutes": 1, "tags": [spelling] });
        let made = editor.done("createMovie", movie, "movie { id tags }").await["movie"].clone();
        assert_eq!(made["tags"], json!([DECOMPOSED]));
        assert_eq!(movies_with(&app, spelling).await, json!([{ "id": made["id"] }]));
        let problems = editor.refused("deleteTag", json!({ "title": spelling })).await;
        assert!(problems[0].contains("still used by 1 movie"), "{problems:?}");
        editor.done("deleteMovie", json!({ "id": made["id"] }), "").await;
    }
    // If both spellings exist, each is found only by its own.
    db.execute_unprepared(&format!("INSERT INTO tags (title) VALUES ('{COMPOSED}')")).await.unwrap();
    for spelling in [COMPOSED, DECOMPOSED] {
        let movie = json!({ "title": "А", "durationMinutes": 1, "tags": [spelling] });
        assert_eq!(editor.done("createMovie", movie, "movie { tags }").await["movie"]["tags"], json!([spelling]));
    }
    let both = json!({ "title": "А", "durationMinutes": 1, "tags": [COMPOSED, DECOMPOSED] });
    assert_eq!(editor.done("createMovie", both.clone(), "movie { tags }").await["movie"]["tags"], both["tags"]);
}

async fn an_account_is_found_by_either_spelling(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let [composed, decomposed] = [COMPOSED, DECOMPOSED].map(|name| format!("{}@example.org", name.to_lowercase()));
    let nobody = sign_up(&app, "member1", &decomposed).await;
    let log_in = async |login: &str| {
        nobody
            .send("logIn", json!({ "login": login, "password": "correct horse battery" }), "user { username email }")
            .await
    };
    for login in [&composed, &decomposed] {
        let found = log_in(login).await.data()["it"]["user"].clone();
        assert_eq!(found, json!({ "username": "member1", "email": null }));
    }
    // An older account has the other spelling: each is found by its own.
    let db = app.sql().await;
    if backend == Backend::Postgres {
        db.execute_unprepared("SET session_replication_role = replica").await.unwrap();
    }
    let old = format!(
        "INSERT INTO users (username, email, password, fio, birthday)
         SELECT 'old', '{decomposed}', password, fio, birthday FROM users WHERE username = 'member1'"
    );
    db.execute_unprepared(&old).await.unwrap();
    for (login, username) in [(&composed, "member1"), (&decomposed, "old")] {
        assert_eq!(log_in(login).await.data()["it"]["user"]["username"], username);
    }
}
