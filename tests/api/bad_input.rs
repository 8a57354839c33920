//! Every mutation of the catalogue and of users' content, with every kind of invalid value in every field: the
//! error names the field, nothing is changed, and the code is never `INTERNAL`.

use std::collections::{BTreeMap, BTreeSet};

use entity::{audit_log, comments, movies, publications, user_movie_orders, users_rating};
use sea_orm::{EntityTrait, PaginatorTrait, QueryOrder};
use serde_json::{Value, json};

use crate::app::{TestApp, User};
use crate::movie::global_id;
use crate::support::database::Backend;

on_both!(invalid_fields_are_named_and_change_nothing, unusual_texts_are_stored_unchanged);

/// A valid input for each mutation, except that the objects to change do not exist. Mutations of accounts have
/// their own tests.
fn inputs(own: &Own) -> Vec<(&'static str, Value)> {
    let id = global_id;
    let mut inputs = vec![
        (
            "createMovie",
            json!({
                "title": "Т", "originalTitle": "T", "isbn": "1", "country": "Р", "year": 2000, "budget": "1", "boxOffice": "1",
                "rating": 3, "durationMinutes": 90, "ageRating": "FROM_6", "tags": ["Драма"], "plot": "П",
            }),
        ),
        (
            "createPerson",
            json!({
                "firstName": "А", "lastName": "Б", "midName": "В", "country": "Р", "birthday": "1990-01-01", "bio": "Г",
            }),
        ),
        (
            "createStaffMember",
            json!({
                "movieId": id("Movie", 1), "personId": id("Person", 1), "positionId": id("PersonPosition", 1),
                "character": "Р", "isLead": true,
            }),
        ),
        ("createPersonPosition", json!({ "title": "Т" })),
        ("createFilmAward", json!({ "title": "Т", "description": "О" })),
        ("createFilmAwardNomination", json!({ "title": "Т", "description": "О" })),
        (
            "createMovieAward",
            json!({
                "movieId": own.movie, "awardId": id("FilmAward", 1), "nominationId": id("FilmAwardNomination", 1),
                "personId": id("Person", 1),
            }),
        ),
        ("createCinema", json!({ "title": "Т", "url": "https://t.example" })),
        ("createPublicationCategory", json!({ "title": "Т" })),
    ];
    let updates: Vec<_> = inputs
        .iter()
        .map(|(name, input)| {
            let mut input = input.clone();
            let kind = name.trim_start_matches("create");
            input["id"] = json!(if kind == "Movie" { own.movie.clone() } else { id(kind, 1) });
            (UPDATES.iter().copied().find(|update| update.ends_with(kind)).unwrap(), input)
        })
        .collect();
    inputs.extend(updates);
    inputs.extend(DELETES.iter().map(|delete| (*delete, json!({ "id": id("Movie", 1) }))));
    inputs.extend([
        ("createTag", json!({ "title": "Т" })),
        ("updateTag", json!({ "title": "Драма", "newTitle": "Т" })),
        ("deleteTag", json!({ "title": "Драма" })),
        (
            "setAvailability",
            json!({
                "movieId": own.movie, "cinemaId": id("Cinema", 1), "price": "1", "rating": 1, "discountPercent": 1,
                "viewCount": "1",
            }),
        ),
        ("removeAvailability", json!({ "id": id("Movie", 1) })),
        (
            "createPublication",
            json!({ "title": "Т", "text": "Т", "categoryId": id("PublicationCategory", 1), "tags": ["Драма"] }),
        ),
        (
            "updatePublication",
            json!({
                "id": own.publication, "expectedChangedAt": "2000-01-01T00:00:00Z", "title": "Т", "text": "Т",
                "categoryId": id("PublicationCategory", 1), "tags": ["Драма"],
            }),
        ),
        ("deletePublication", json!({ "id": id("Movie", 1) })),
        ("addComment", json!({ "subjectId": own.movie, "parentId": own.comment, "text": "Т" })),
        ("editComment", json!({ "id": own.comment, "text": "Т" })),
        ("deleteComment", json!({ "id": id("Movie", 1) })),
        ("hideComment", json!({ "id": id("Movie", 1) })),
        ("rate", json!({ "subjectId": own.movie, "rating": 3 })),
        ("removeRating", json!({ "subjectId": own.movie })),
        ("orderMovie", json!({ "movieId": own.movie, "cinemaId": id("Cinema", 1) })),
    ]);
    inputs
}

const UPDATES: &[&str] = &[
    "updateMovie",
    "updatePerson",
    "updateStaffMember",
    "updatePersonPosition",
    "updateFilmAward",
    "updateFilmAwardNomination",
    "updateMovieAward",
    "updateCinema",
    "updatePublicationCategory",
];

const DELETES: &[&str] = &[
    "deleteMovie",
    "deletePerson",
    "deleteStaffMember",
    "deletePersonPosition",
    "deleteFilmAward",
    "deleteFilmAwardNomination",
    "deleteMovieAward",
    "deleteCinema",
    "deletePublicationCategory",
];

/// The objects that the user under test has created.
struct Own {
    movie: String,
    publication: Value,
    comment: Value,
}

/// Values that an input field's type does not accept, or that are invalid.
fn spoilt(ty: &str) -> Vec<Value> {
    let mut values = vec![json!({ "a": 1 }), json!([[1]]), json!(1e300)];
    values.extend(match ty {
        "ID" => vec![
            json!(""),
            json!("x"),
            json!("\u{0}"),
            json!(5),
            json!(global_id("User", 1)),
            json!(global_id("Movie", i32::MAX)),
            json!("=".repeat(10_000)),
        ],
        "String" => vec![
            json!(""),
            json!(" \t\n"),
            json!("а\u{0}"),
            json!("\u{7}а"),
            json!("а\u{7f}"),
            json!("я".repeat(200_000)),
            json!(5),
            json!(true),
        ],
        "Int" => vec![json!(-1), json!(i32::MIN), json!(1_i64 << 31), json!("1"), json!(1.5), json!(true)],
        "Decimal" => vec![
            json!("a"),
            json!("1.234"),
            json!("-1"),
            json!("1e400"),
            json!("9".repeat(40)),
            json!("NaN"),
            json!(""),
            json!(true),
        ],
        "BigInt" => vec![json!("x"), json!("-1"), json!("9223372036854775808"), json!(1.5), json!("")],
        "Date" => vec![json!("2020-02-30"), json!("9999-01-01"), json!("0000-01-01"), json!(""), json!(5)],
        "DateTime" => vec![json!("2020-02-30T00:00:00Z"), json!("x"), json!("+262142-01-01T00:00:00Z"), json!(5)],
        "Boolean" => vec![json!("yes"), json!(1), json!(null)],
        "AgeRating" => vec![json!("FROM_13"), json!("12+"), json!(5)],
        "[String!]" => vec![
            json!([null]),
            json!([""]),
            json!(["\u{0}"]),
            json!(["Нет такого"]),
            json!(["Драма", "Драма"]),
            json!([5]),
            json!("Нет такого"),
            json!(vec!["Драма"; 50]),
        ],
        other => panic!("invalid values are missing for fields of type {other}"),
    });
    values
}

async fn invalid_fields_are_named_and_change_nothing(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    // An editor may run all of them. The audit log shows changes that are not checked below.
    let editor = app.sign_in("editor", "editor").await;
    let movie = app.data("{ movies(first: 1) { nodes { id } } }", json!({})).await["movies"]["nodes"][0]["id"].clone();
    let text = json!({ "title": "Т", "text": "Т", "categoryId": global_id("PublicationCategory", 1) });
    let publication = editor.done("createPublication", text, "publication { id }").await["publication"]["id"].clone();
    let said = json!({ "subjectId": movie, "text": "Т" });
    let comment = editor.done("addComment", said, "comment { id }").await["comment"]["id"].clone();
    let own = Own { movie: movie.as_str().unwrap().to_owned(), publication, comment };
    let fields = fields_of_inputs(&app).await;
    let inputs = inputs(&own);
    let covered: BTreeSet<_> = inputs.iter().map(|(name, _)| *name).collect();
    let missing: Vec<_> = fields.iter().filter(|(name, _)| !covered.contains(name.as_str())).collect();
    assert!(missing.is_empty(), "mutations without a case: {missing:?}");
    let before = snapshot(&app).await;
    for (mutation, input) in &inputs {
        let (_, fields) = fields.iter().find(|(name, _)| name == mutation).unwrap();
        for (field, ty, required) in fields {
            assert!(!input[field].is_null(), "{mutation}: no value for {field}");
            for value in spoilt(ty) {
                let mut bad = input.clone();
                bad[field] = value;
                assert_refused(&editor, mutation, field, bad).await;
            }
            if *required {
                let mut bad = input.clone();
                bad[field] = Value::Null;
                assert_refused(&editor, mutation, field, bad.clone()).await;
                bad.as_object_mut().unwrap().remove(field);
                assert_refused(&editor, mutation, field, bad).await;
            }
        }
    }
    assert_eq!(snapshot(&app).await, before);
}

async fn assert_refused(editor: &User, mutation: &str, field: &str, input: Value) {
    let shown: String = input[field].to_string().chars().take(60).collect();
    let answer = editor.send(mutation, input, "").await;
    if answer.0["errors"].is_array() {
        for error in answer.errors() {
            let code = error.split(' ').next().unwrap();
            let is_fine = matches!(code, "BAD_USER_INPUT" | "GRAPHQL_VALIDATION_FAILED");
            assert!(is_fine, "{mutation}, {field} = {shown}: {error}");
        }
        return;
    }
    let problems = answer.problems();
    let is_named = |problem: &String| {
        let (code, rest) = problem.split_once(' ').unwrap();
        matches!(code, "BAD_USER_INPUT" | "NOT_FOUND" | "CONFLICT") && rest.starts_with("input.")
    };
    assert!(!problems.is_empty() && problems.iter().all(is_named), "{mutation}, {field} = {shown}: {problems:?}");
}

/// Each mutation with the fields of its input: name, type without `!`, and whether it is required.
async fn fields_of_inputs(app: &TestApp) -> Vec<(String, Vec<(String, String, bool)>)> {
    let query = "{ __schema { mutationType { fields { name args { type { ofType { name inputFields { name type {
        kind name ofType { kind name ofType { kind name ofType { name } } } } } } } } } } } }";
    let data = app.data(query, json!({})).await;
    let accounts: BTreeSet<_> = ACCOUNTS.iter().copied().collect();
    let mut mutations = Vec::new();
    for mutation in data["__schema"]["mutationType"]["fields"].as_array().unwrap() {
        let name = mutation["name"].as_str().unwrap();
        if accounts.contains(name) {
            continue;
        }
        let fields = mutation["args"][0]["type"]["ofType"]["inputFields"].as_array().unwrap();
        let fields = fields.iter().map(|field| {
            let ty = &field["type"];
            let required = ty["kind"] == "NON_NULL";
            let inner = if required { &ty["ofType"] } else { ty };
            let name = match inner["kind"].as_str().unwrap() {
                "LIST" => format!("[{}!]", inner["ofType"]["ofType"]["name"].as_str().unwrap()),
                _ => inner["name"].as_str().unwrap().to_owned(),
            };
            (field["name"].as_str().unwrap().to_owned(), name, required)
        });
        mutations.push((name.to_owned(), fields.collect()));
    }
    assert!(mutations.len() >= 42, "{}", mutations.len());
    mutations
}

/// Their invalid input is tested in their own files.
pub const ACCOUNTS: &[&str] = &[
    "signUp",
    "logIn",
    "logOut",
    "logOutEverywhere",
    "revokeSession",
    "updateProfile",
    "changePassword",
    "deleteAccount",
    "grantRole",
    "revokeRole",
    "deleteUser",
];

async fn snapshot(app: &TestApp) -> String {
    let db = app.sql().await;
    let publications = publications::Entity::find().order_by_asc(publications::Column::Id).all(&db).await.unwrap();
    let comments = comments::Entity::find().order_by_asc(comments::Column::Id).all(&db).await.unwrap();
    let ratings = users_rating::Entity::find().order_by_asc(users_rating::Column::Id).all(&db).await.unwrap();
    format!(
        "{publications:?} {comments:?} {ratings:?} {} movies, {} orders, {} entries in the audit log",
        movies::Entity::find().count(&db).await.unwrap(),
        user_movie_orders::Entity::find().count(&db).await.unwrap(),
        audit_log::Entity::find().count(&db).await.unwrap(),
    )
}

async fn unusual_texts_are_stored_unchanged(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let editor = app.sign_in("editor", "editor").await;
    let odd = [
        "👨\u{200d}👩\u{200d}👧\u{200d}👦 и 🇷🇺",
        "\u{200f}שלום\u{200f} עולם",
        "\u{202e}наоборот\u{202c}",
        "Robert'); DROP TABLE movies; --",
        "\" OR 1=1; --",
        "<script>alert('xss')</script>&amp;",
        "100%_\\'\\\\ {\"a\": [1]} $1 ?1 :name",
        "é ﬁ İ ß Ё \u{feff}край",
        "\u{1f3ac}",
    ];
    for (number, text) in odd.into_iter().enumerate() {
        let movie =
            json!({ "title": text, "originalTitle": text, "country": text, "plot": text, "durationMinutes": 1 });
        let made =
            editor.done("createMovie", movie, "movie { id title originalTitle country plot }").await["movie"].clone();
        for field in ["title", "originalTitle", "country", "plot"] {
            assert_eq!(made[field], text, "{field}");
        }
        let person = json!({ "firstName": text, "lastName": text, "midName": text, "country": text, "bio": text });
        let made = editor.done("createPerson", person, "person { firstName lastName midName country bio }").await;
        assert!(made["person"].as_object().unwrap().values().all(|value| value == text), "{made}");
        editor.done("createTag", json!({ "title": text }), "tag { title }").await;
        let input =
            json!({ "title": text, "text": text, "categoryId": global_id("PublicationCategory", 1), "tags": [text] });
        let made =
            editor.done("createPublication", input, "publication { id title text tags }").await["publication"].clone();
        assert_eq!((&made["title"], &made["text"], &made["tags"]), (&json!(text), &json!(text), &json!([text])));
        let said = json!({ "subjectId": made["id"], "text": text });
        let said = editor.done("addComment", said, "comment { text }").await;
        assert_eq!(said["comment"]["text"], text);
        keep_elsewhere(&app, text, &made["id"], &said["comment"]["id"]).await;
        // They can be found by tag too.
        let query = "query($tag: String!) { publications(filter: { tags: { all: [$tag] } }) { nodes { id } } }";
        let found = app.data(query, json!({ "tag": text })).await;
        assert_eq!(found["publications"]["nodes"], json!([{ "id": made["id"] }]), "{number}");
    }
}

/// All other mutations with a text, on an existing publication and comment.
async fn keep_elsewhere(app: &TestApp, text: &str, publication: &Value, comment: &Value) {
    let editor = app.sign_in(&format!("editor{}", publication.as_str().unwrap()), "editor").await;
    let keep = async |mutation: &str, object: &str, input: Value| {
        let texts = input.as_object().unwrap().iter().filter(|(_, value)| *value == text);
        let texts: Vec<_> = texts.map(|(field, _)| field.clone()).collect();
        let done =
            editor.done(mutation, input, &format!("{object} {{ id {} }}", texts.join(" "))).await[object].clone();
        assert!(!texts.is_empty() && texts.iter().all(|field| done[field] == text), "{mutation}: {done}");
        done["id"].clone()
    };
    let mut made = BTreeMap::new();
    for (kind, object, input) in [
        ("Movie", "movie", json!({ "title": text, "originalTitle": text, "country": text, "plot": text })),
        (
            "Person",
            "person",
            json!({ "firstName": text, "lastName": text, "midName": text, "country": text, "bio": text }),
        ),
        ("PersonPosition", "position", json!({ "title": text })),
        ("FilmAward", "filmAward", json!({ "title": text, "description": text })),
        ("FilmAwardNomination", "nomination", json!({ "title": text, "description": text })),
        ("Cinema", "cinema", json!({ "title": text })),
        ("PublicationCategory", "category", json!({ "title": text })),
    ] {
        // Categories have at most 24 characters.
        if kind == "PublicationCategory" && text.chars().count() > 24 {
            continue;
        }
        let mut create = input.clone();
        match kind {
            "Movie" => create["durationMinutes"] = json!(1),
            "Cinema" => create["url"] = json!(format!("https://{}.example", made.len() + editor.id as usize)),
            _ => {}
        }
        let id = keep(&format!("create{kind}"), object, create).await;
        let mut update = input;
        update["id"] = id.clone();
        keep(&format!("update{kind}"), object, update).await;
        made.insert(kind, id);
    }
    let part = json!({
        "movieId": made["Movie"], "personId": made["Person"], "positionId": made["PersonPosition"], "character": text,
    });
    let part = keep("createStaffMember", "staffMember", part).await;
    keep("updateStaffMember", "staffMember", json!({ "id": part, "character": text })).await;
    keep("updatePublication", "publication", json!({ "id": publication, "title": text, "text": text })).await;
    let own = json!({ "subjectId": publication, "parentId": comment, "text": text });
    let own = keep("addComment", "comment", own).await;
    keep("editComment", "comment", json!({ "id": own, "text": text })).await;
    keep("updateProfile", "user", json!({ "fullName": text, "bio": text })).await;
    let renamed: String = format!("{text}!").chars().rev().take(56).collect();
    editor.done("createTag", json!({ "title": renamed }), "").await;
    editor.done("updateTag", json!({ "title": renamed, "newTitle": format!("{renamed}.") }), "").await;
}
