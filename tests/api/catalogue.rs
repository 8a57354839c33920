//! Editors' changes of the catalogue: creating, changing and deleting every kind of object, the bounds of its fields, and
//! the audit log.

use entity::audit_log;
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder};
use serde_json::{Value, json};

use crate::app::{TestApp, User};
use crate::movie::global_id;
use crate::support::database::Backend;

on_both!(
    every_kind_is_created_changed_and_deleted,
    required_fields_do_not_accept_null,
    bounds_are_checked_on_both_sides,
    every_change_is_in_the_audit_log,
);

/// A kind of object: its field in payloads, its fields when new, a change, and a change to null.
struct Kind {
    name: &'static str,
    field: &'static str,
    new: Value,
    shown: &'static str,
    as_shown: Value,
    change: Value,
    changed: Value,
}

fn kinds() -> Vec<Kind> {
    let of = |name: &str, field: &'static str| json!({ field: { "id": global_id(name, 1) } })[field].clone();
    vec![
        Kind {
            name: "Movie",
            field: "movie",
            new: json!({
                "title": " Зеркало ", "originalTitle": "The Mirror", "isbn": "123456789012", "country": "СССР",
                "year": 1974, "budget": "622000.50", "boxOffice": "9999999999999.99", "rating": 5, "durationMinutes": 107,
                "ageRating": "FROM_12", "tags": ["Драма"], "plot": "Воспоминания\nоб отце",
            }),
            shown: "title originalTitle isbn country year budget boxOffice rating durationMinutes ageRating tags plot",
            as_shown: json!({
                "title": "Зеркало", "originalTitle": "The Mirror", "isbn": "123456789012", "country": "СССР",
                "year": 1974, "budget": "622000.50", "boxOffice": "9999999999999.99", "rating": 5, "durationMinutes": 107,
                "ageRating": "FROM_12", "tags": ["Драма"], "plot": "Воспоминания\nоб отце",
            }),
            change: json!({ "title": "Зеркала", "year": null, "plot": null, "tags": null, "ageRating": null, "budget": null }),
            changed: json!({ "title": "Зеркала", "year": null, "plot": null, "tags": [], "ageRating": null, "budget": null }),
        },
        Kind {
            name: "Person",
            field: "person",
            new: json!({
                "firstName": "Анна", "lastName": "Ли", "midName": "Игоревна", "country": "Россия",
                "birthday": "1977-03-01", "bio": "О себе: '); DROP TABLE persons; --",
            }),
            shown: "firstName lastName midName country birthday bio",
            as_shown: json!({
                "firstName": "Анна", "lastName": "Ли", "midName": "Игоревна", "country": "Россия",
                "birthday": "1977-03-01", "bio": "О себе: '); DROP TABLE persons; --",
            }),
            change: json!({ "midName": null, "birthday": null, "country": "Франция" }),
            changed: json!({ "midName": null, "birthday": null, "country": "Франция" }),
        },
        Kind {
            name: "PersonPosition",
            field: "position",
            new: json!({ "title": "Суфлёр" }),
            shown: "title",
            as_shown: json!({ "title": "Суфлёр" }),
            change: json!({ "title": "Суфлёры" }),
            changed: json!({ "title": "Суфлёры" }),
        },
        Kind {
            name: "StaffMember",
            field: "staffMember",
            new: json!({
                "movieId": global_id("Movie", 1), "personId": global_id("Person", 1),
                "positionId": global_id("PersonPosition", 1), "character": "Сторож", "isLead": true,
            }),
            shown: "character isLead movie { id } person { id } position { id }",
            as_shown: json!({
                "character": "Сторож", "isLead": true, "movie": of("Movie", "movie"), "person": of("Person", "person"),
                "position": of("PersonPosition", "position"),
            }),
            change: json!({ "character": null, "personId": global_id("Person", 2) }),
            changed: json!({ "character": null, "person": { "id": global_id("Person", 2) } }),
        },
        Kind {
            name: "FilmAward",
            field: "filmAward",
            new: json!({ "title": "Белый слон", "description": "Премия гильдии" }),
            shown: "title description",
            as_shown: json!({ "title": "Белый слон", "description": "Премия гильдии" }),
            change: json!({ "description": null }),
            changed: json!({ "description": null }),
        },
        Kind {
            name: "FilmAwardNomination",
            field: "nomination",
            new: json!({ "title": "Лучший трюк", "description": "🎬" }),
            shown: "title description",
            as_shown: json!({ "title": "Лучший трюк", "description": "🎬" }),
            change: json!({ "title": "Трюк года" }),
            changed: json!({ "title": "Трюк года" }),
        },
        Kind {
            name: "MovieAward",
            field: "award",
            new: json!({
                "movieId": global_id("Movie", 1), "awardId": global_id("FilmAward", 1),
                "nominationId": global_id("FilmAwardNomination", 1), "personId": global_id("Person", 1),
            }),
            shown: "movie { id } award { id } nomination { id } person { id }",
            as_shown: json!({
                "movie": of("Movie", "movie"), "award": of("FilmAward", "award"),
                "nomination": of("FilmAwardNomination", "nomination"), "person": of("Person", "person"),
            }),
            change: json!({ "personId": null }),
            changed: json!({ "person": null }),
        },
        Kind {
            name: "Cinema",
            field: "cinema",
            new: json!({ "title": "Экран", "url": "https://ekran.example/фильмы?a=1" }),
            shown: "title url",
            as_shown: json!({ "title": "Экран", "url": "https://ekran.example/фильмы?a=1" }),
            change: json!({ "title": "Экраны" }),
            changed: json!({ "title": "Экраны" }),
        },
        Kind {
            name: "PublicationCategory",
            field: "category",
            new: json!({ "title": "Подкаст" }),
            shown: "title",
            as_shown: json!({ "title": "Подкаст" }),
            change: json!({ "title": "Интервью" }),
            changed: json!({ "title": "Интервью" }),
        },
    ]
}

/// An editor, on a catalogue in which awards do not block the deletion of the first movie.
pub async fn begin(backend: Backend) -> (TestApp, User) {
    let app = TestApp::seeded(backend).await;
    let awards = entity::awards::Entity::delete_many().filter(entity::awards::Column::MovieId.eq(1));
    awards.exec(&app.sql().await).await.unwrap();
    let editor = app.sign_in("editor", "editor").await;
    (app, editor)
}

impl Kind {
    async fn create(&self, editor: &User) -> Value {
        let selection = format!("{} {{ id {} }}", self.field, self.shown);
        editor.done(&format!("create{}", self.name), self.new.clone(), &selection).await[self.field].clone()
    }

    async fn update(&self, editor: &User, id: &Value, mut change: Value) -> Value {
        change["id"] = id.clone();
        let selection = format!("{} {{ id {} }}", self.field, self.shown);
        editor.done(&format!("update{}", self.name), change, &selection).await[self.field].clone()
    }
}

async fn every_kind_is_created_changed_and_deleted(backend: Backend) {
    let (app, editor) = begin(backend).await;
    let member = app.sign_in("member", "member").await;
    for kind in kinds() {
        let mut expected = kind.as_shown.clone();
        let made = kind.create(&editor).await;
        expected["id"] = made["id"].clone();
        assert_eq!(made, expected, "{}", kind.name);
        for (field, value) in kind.changed.as_object().unwrap() {
            expected[field] = value.clone();
        }
        let changed = kind.update(&editor, &made["id"], kind.change.clone()).await;
        assert_eq!(changed, expected, "{}", kind.name);
        assert_eq!(kind.update(&editor, &made["id"], json!({})).await, expected, "{}: an empty input", kind.name);
        for (verb, input) in
            [("create", &kind.new), ("update", &json!({ "id": made["id"] })), ("delete", &json!({ "id": made["id"] }))]
        {
            let errors = member.send(&format!("{verb}{}", kind.name), input.clone(), "").await.errors();
            assert_eq!(errors, ["FORBIDDEN only editors can do this"], "{verb}{}", kind.name);
        }
        let delete = format!("delete{}", kind.name);
        let deleted = editor.done(&delete, json!({ "id": made["id"] }), "deletedId").await;
        assert_eq!(deleted["deletedId"], made["id"]);
        let found = app.data("query($id: ID!) { node(id: $id) { id } }", json!({ "id": made["id"] })).await;
        assert_eq!(found["node"], Value::Null);
        for verb in ["update", "delete"] {
            let refused = editor.refused(&format!("{verb}{}", kind.name), json!({ "id": made["id"] })).await;
            assert!(
                refused.len() == 1 && refused[0].ends_with(" does not exist; it may have been deleted"),
                "{refused:?}"
            );
        }
    }
    let tag = editor.done("createTag", json!({ "title": " Нуар " }), "tag { title }").await;
    assert_eq!(tag["tag"]["title"], "Нуар");
    let tag = editor.done("updateTag", json!({ "title": "Нуар", "newTitle": "Неонуар" }), "tag { title }").await;
    assert_eq!(tag["tag"]["title"], "Неонуар");
    let deleted = editor.done("deleteTag", json!({ "title": "Неонуар" }), "deletedTitle").await;
    assert_eq!(deleted["deletedTitle"], "Неонуар");
    for title in ["Неонуар", "\u{0}"] {
        let expected = ["NOT_FOUND input.title: the tag does not exist; it may have been deleted"];
        assert_eq!(editor.refused("deleteTag", json!({ "title": title })).await, expected);
        assert_eq!(editor.refused("updateTag", json!({ "title": title, "newTitle": "Нуар" })).await, expected);
    }
}

async fn required_fields_do_not_accept_null(backend: Backend) {
    let (_app, editor) = begin(backend).await;
    let input = json!({
        "id": global_id("StaffMember", 1), "movieId": null, "personId": null, "positionId": null, "isLead": null,
    });
    let text = "must not be null; omit it to keep the current value";
    let expected =
        ["movieId", "personId", "positionId", "isLead"].map(|field| format!("BAD_USER_INPUT input.{field}: {text}"));
    assert_eq!(editor.refused("updateStaffMember", input).await, expected);
}

async fn bounds_are_checked_on_both_sides(backend: Backend) {
    let (_app, editor) = begin(backend).await;
    let fine = [
        json!({ "year": 1880, "rating": 1, "durationMinutes": 0, "budget": "0", "title": "я".repeat(256) }),
        json!({ "year": 2200, "rating": 5, "durationMinutes": 2_147_483_647, "budget": "9999999999999.99", "isbn": "1" }),
        json!({ "plot": "ж".repeat(20_000), "country": "🇷".repeat(128), "originalTitle": "🎬".repeat(256) }),
        json!({ "tags": [] }),
    ];
    for change in fine {
        let mut new = json!({ "title": "Т", "durationMinutes": 1 });
        for (field, value) in change.as_object().unwrap() {
            new[field] = value.clone();
        }
        editor.done("createMovie", new, "movie { id }").await;
    }
    let many: Vec<_> = (0..21).map(|number| format!("Тег {number}")).collect();
    let bad = [
        ("year", json!(1879), "1879 is out of range; use 1880 to 2200"),
        ("year", json!(2201), "2201 is out of range; use 1880 to 2200"),
        ("rating", json!(0), "0 is out of range; use 1 to 5"),
        ("rating", json!(6), "6 is out of range; use 1 to 5"),
        ("durationMinutes", json!(-1), "-1 is out of range; use 0 to 2147483647"),
        ("budget", json!("-0.01"), "-0.01 is out of range; it must be at least 0.00 and less than 10000000000000"),
        (
            "boxOffice",
            json!("10000000000000"),
            "10000000000000.00 is out of range; it must be at least 0.00 and less than 10000000000000",
        ),
        ("title", json!("я".repeat(257)), "must be at most 256 characters long; it has 257"),
        ("isbn", json!("1234567890123"), "must be at most 12 characters long; it has 13"),
        ("isbn", json!(""), "must not be empty"),
        ("plot", json!("ж".repeat(20_001)), "must be at most 20000 characters long; it has 20001"),
        ("country", json!("а\nб"), "contains the control character U+000A; remove it"),
        ("tags", json!(many), "has 21 tags; the limit is 20"),
    ];
    for (field, value, problem) in bad {
        let mut new = json!({ "title": "Т", "durationMinutes": 1 });
        new[field] = value;
        assert_eq!(
            editor.refused("createMovie", new.clone()).await,
            [format!("BAD_USER_INPUT input.{field}: {problem}")]
        );
        new["id"] = json!(global_id("Movie", 1));
        assert_eq!(editor.refused("updateMovie", new).await, [format!("BAD_USER_INPUT input.{field}: {problem}")]);
    }
    let person = |birthday: &str| json!({ "id": global_id("Person", 1), "birthday": birthday });
    let refused = editor.refused("updatePerson", person("9999-12-31")).await;
    assert_eq!(refused, ["BAD_USER_INPUT input.birthday: 9999-12-31 is in the future"]);
    let refused = editor.refused("updatePerson", person("0000-01-01")).await;
    assert_eq!(refused, ["BAD_USER_INPUT input.birthday: is out of range; the year must be 1 or later"]);
    editor.done("updatePerson", person("0001-01-01"), "person { id }").await;
    for url in ["", "кинотеатр", "javascript:alert(1)", "https://", "http://а б", "mailto:a@b.example"] {
        let refused = editor.refused("createCinema", json!({ "title": "Сайт", "url": url })).await;
        let told = "BAD_USER_INPUT input.url: must be a URL such as https://cinema.example".to_owned();
        assert!(refused.contains(&told), "{url}: {refused:?}");
    }
}

async fn every_change_is_in_the_audit_log(backend: Backend) {
    let (app, editor) = begin(backend).await;
    let kinds = kinds();
    let db = app.sql().await;
    for kind in &kinds {
        let made = kind.create(&editor).await;
        kind.update(&editor, &made["id"], kind.change.clone()).await;
        // Updates without changes and refused updates are not logged.
        kind.update(&editor, &made["id"], json!({})).await;
        kind.update(&editor, &made["id"], kind.change.clone()).await;
        editor.refused(&format!("delete{}", kind.name), json!({ "id": global_id(kind.name, 1_000_000) })).await;
        editor.done(&format!("delete{}", kind.name), json!({ "id": made["id"] }), "deletedId").await;
        let entries = audit_log::Entity::find().order_by_desc(audit_log::Column::Id).all(&db).await.unwrap();
        let actions: Vec<_> = entries.iter().take(3).map(|entry| entry.action.clone()).collect();
        let expected = ["delete", "update", "create"].map(|verb| format!("{verb}{}", kind.name));
        assert_eq!(actions, expected);
        let key = kinoteka::kit::id::split(made["id"].as_str().unwrap()).unwrap().1.to_string();
        for entry in entries.iter().take(3) {
            assert_eq!((&*entry.object_type, &entry.object_key), (kind.name, &key));
            assert_eq!(entry.user_id, Some(editor.id));
            assert!(!entry.changes.as_array().unwrap().is_empty());
        }
    }
    assert_eq!(audit_log::Entity::find().count(&db).await.unwrap(), 3 * kinds.len() as u64);
    let admin = app.sign_in("boss", "admin").await;
    let terms =
        json!({ "movieId": global_id("Movie", 1), "cinemaId": global_id("Cinema", 1), "price": "1", "rating": 1 });
    let id = editor.done("setAvailability", terms.clone(), "availability { id }").await["availability"]["id"].clone();
    // The same terms again are not a change. Other terms are logged with the previous ones.
    editor.done("setAvailability", terms.clone(), "availability { id }").await;
    let mut dearer = terms;
    dearer["price"] = json!("2.5");
    editor.done("setAvailability", dearer, "availability { id }").await;
    let query = "{ auditLog(first: 2) { nodes { objectId changes { field before after } } } }";
    let log = admin.data(query, json!({})).await;
    let price = json!([{ "field": "price", "before": "1.00", "after": "2.50" }]);
    assert_eq!(log["auditLog"]["nodes"][0], json!({ "objectId": id, "changes": price }));
    assert_eq!(log["auditLog"]["nodes"][1]["objectId"], id);
    editor.done("createTag", json!({ "title": "1917" }), "tag { title }").await;
    editor.done("updatePerson", json!({ "id": global_id("Person", 3), "lastName": "Ли" }), "person { id }").await;
    let query = "{ auditLog(first: 3) { nodes { action objectType objectId actor { username } actorId changes { field after } } } }";
    let log = admin.data(query, json!({})).await;
    let nodes = &log["auditLog"]["nodes"];
    assert_eq!(nodes[0]["changes"], json!([{ "field": "lastName", "after": "Ли" }]));
    assert_eq!(
        (&nodes[0]["actor"]["username"], &nodes[0]["objectId"]),
        (&json!("editor"), &json!(global_id("Person", 3)))
    );
    assert_eq!(nodes[0]["actorId"], json!(global_id("User", editor.id)));
    assert_eq!((&nodes[1]["action"], &nodes[1]["objectId"]), (&json!("createTag"), &json!("1917")));
    assert_eq!((&nodes[2]["action"], &nodes[2]["objectId"]), (&json!("setAvailability"), &id));
}
