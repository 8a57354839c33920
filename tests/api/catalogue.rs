//! What editors do with the catalogue: one life of every kind of object, what stands in the way
//! of its end, and what the audit log says.

use async_graphql::futures_util::future::{join, join_all};
use entity::{audit_log, movie_staff_m2m};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder};
use serde_json::{Value, json};

use crate::app::{TestApp, User};
use crate::movie::global_id;
use crate::support::database::Backend;

on_both!(
    every_kind_is_made_changed_and_deleted,
    fields_that_must_have_a_value_take_no_null,
    what_is_in_use_is_not_deleted,
    tags_in_use_stay_as_they_are,
    no_two_have_the_same_unique_value,
    one_of_many_creations_at_once_wins,
    bounds_are_checked_on_both_sides,
    availability_is_set_and_removed,
    one_availability_is_left_of_many_at_once,
    deletion_and_new_reference_at_once_break_nothing,
    every_change_is_in_the_audit_log,
);

/// A kind of object: its field in payloads, all its fields when new, what to change, what clears.
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

/// An editor, on a catalogue where the awards of the first movie stand in nobody's way.
async fn begin(backend: Backend) -> (TestApp, User) {
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

async fn every_kind_is_made_changed_and_deleted(backend: Backend) {
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
        assert_eq!(kind.update(&editor, &made["id"], json!({})).await, expected, "{}: nothing given", kind.name);
        for (verb, input) in
            [("create", &kind.new), ("update", &json!({ "id": made["id"] })), ("delete", &json!({ "id": made["id"] }))]
        {
            let errors = member.send(&format!("{verb}{}", kind.name), input.clone(), "").await.errors();
            assert_eq!(errors, ["FORBIDDEN this is for editors"], "{verb}{}", kind.name);
        }
        let delete = format!("delete{}", kind.name);
        let deleted = editor.done(&delete, json!({ "id": made["id"] }), "deletedId").await;
        assert_eq!(deleted["deletedId"], made["id"]);
        let found = app.data("query($id: ID!) { node(id: $id) { id } }", json!({ "id": made["id"] })).await;
        assert_eq!(found["node"], Value::Null);
        for verb in ["update", "delete"] {
            let refused = editor.refused(&format!("{verb}{}", kind.name), json!({ "id": made["id"] })).await;
            assert!(
                refused.len() == 1 && refused[0].starts_with("NOT_FOUND input.id: there is no such "),
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
        let expected = ["NOT_FOUND input.title: there is no such tag; it may have been deleted"];
        assert_eq!(editor.refused("deleteTag", json!({ "title": title })).await, expected);
        assert_eq!(editor.refused("updateTag", json!({ "title": title, "newTitle": "Нуар" })).await, expected);
    }
}

async fn fields_that_must_have_a_value_take_no_null(backend: Backend) {
    let (_app, editor) = begin(backend).await;
    let input = json!({
        "id": global_id("StaffMember", 1), "movieId": null, "personId": null, "positionId": null, "isLead": null,
    });
    let text = "cannot be null; leave it out to keep what is there";
    let expected =
        ["movieId", "personId", "positionId", "isLead"].map(|field| format!("BAD_USER_INPUT input.{field}: {text}"));
    assert_eq!(editor.refused("updateStaffMember", input).await, expected);
}

async fn what_is_in_use_is_not_deleted(backend: Backend) {
    let (app, editor) = begin(backend).await;
    let db = app.sql().await;
    let id = async |name: &str, new: Value, field: &str| {
        let made = editor.done(&format!("create{name}"), new, &format!("{field} {{ id }}")).await;
        made[field]["id"].as_str().unwrap().to_owned()
    };
    let movie = id("Movie", json!({ "title": "Занят", "durationMinutes": 1 }), "movie").await;
    let person = id("Person", json!({ "firstName": "Ян", "lastName": "Ян", "country": "Китай" }), "person").await;
    let position = id("PersonPosition", json!({ "title": "Осветитель-2" }), "position").await;
    let award = id("FilmAward", json!({ "title": "Премия" }), "filmAward").await;
    let nomination = id("FilmAwardNomination", json!({ "title": "Номинация" }), "nomination").await;
    let cinema = id("Cinema", json!({ "title": "Занятый", "url": "http://busy.example" }), "cinema").await;
    let category = id("PublicationCategory", json!({ "title": "Занятая" }), "category").await;
    for _ in 0..3 {
        let new = json!({ "movieId": movie, "personId": person, "positionId": position });
        id("StaffMember", new, "staffMember").await;
    }
    let new = json!({ "movieId": movie, "awardId": award, "nominationId": nomination, "personId": person });
    id("MovieAward", new, "award").await;
    let terms = json!({ "movieId": movie, "cinemaId": cinema, "price": "1", "rating": 1 });
    editor.done("setAvailability", terms, "availability { id }").await;
    editor.done("orderMovie", json!({ "movieId": movie, "cinemaId": cinema }), "order { id }").await;
    let text = json!({ "title": "Т", "text": "Т", "categoryId": category });
    let publication = id("Publication", text, "publication").await;
    let cases = [
        ("Movie", &movie, "1 award, 1 order"),
        ("Person", &person, "3 staff entries, 1 award"),
        ("PersonPosition", &position, "3 staff entries"),
        ("FilmAward", &award, "1 award of a movie"),
        ("FilmAwardNomination", &nomination, "1 award of a movie"),
        ("Cinema", &cinema, "1 order"),
        ("PublicationCategory", &category, "1 publication"),
    ];
    for (name, id, used) in cases {
        let refused = editor.refused(&format!("delete{name}"), json!({ "id": id })).await;
        assert_eq!(refused, [format!("CONFLICT input.id: still used by {used}; remove these first")], "{name}");
    }
    // Very many are not all counted.
    let key = kinoteka::kit::id::split(&position).unwrap().1;
    let rows = (0..1_100).map(|_| movie_staff_m2m::ActiveModel {
        movie_id: sea_orm::Set(1),
        person_id: sea_orm::Set(1),
        position_id: sea_orm::Set(key),
        ..Default::default()
    });
    movie_staff_m2m::Entity::insert_many(rows).exec(&db).await.unwrap();
    let refused = editor.refused("deletePersonPosition", json!({ "id": position })).await;
    assert_eq!(refused, ["CONFLICT input.id: still used by more than 1000 staff entries; remove these first"]);
    // What is no reference of this kind goes along: staff entries, availability, comments, ratings.
    editor.done("addComment", json!({ "subjectId": movie, "text": "Да" }), "comment { id }").await;
    editor.done("rate", json!({ "subjectId": movie, "rating": 3 }), "rating { id }").await;
    entity::awards::Entity::delete_many()
        .filter(entity::awards::Column::PersonId.eq(kinoteka::kit::id::split(&person).unwrap().1))
        .exec(&db)
        .await
        .unwrap();
    entity::user_movie_orders::Entity::delete_many()
        .filter(entity::user_movie_orders::Column::UserId.eq(editor.id))
        .exec(&db)
        .await
        .unwrap();
    editor.done("deleteMovie", json!({ "id": movie }), "deletedId").await;
    editor.done("deletePerson", json!({ "id": person }), "deletedId").await;
    editor.done("deletePublication", json!({ "id": publication }), "deletedId").await;
    editor.done("deletePublicationCategory", json!({ "id": category }), "deletedId").await;
    editor.done("deleteCinema", json!({ "id": cinema }), "deletedId").await;
}

async fn tags_in_use_stay_as_they_are(backend: Backend) {
    let (app, editor) = begin(backend).await;
    editor.done("createTag", json!({ "title": "Нуар" }), "tag { title }").await;
    let movie = json!({ "title": "М", "durationMinutes": 1, "tags": ["Нуар"] });
    let movie = editor.done("createMovie", movie, "movie { id }").await["movie"]["id"].clone();
    let text =
        json!({ "title": "Т", "text": "Т", "categoryId": global_id("PublicationCategory", 1), "tags": ["Нуар"] });
    let publication = editor.done("createPublication", text, "publication { id }").await["publication"]["id"].clone();
    let used = ["CONFLICT input.title: still used by 1 movie, 1 publication; remove these first"];
    assert_eq!(editor.refused("deleteTag", json!({ "title": "Нуар" })).await, used);
    let refused = editor.refused("updateTag", json!({ "title": "Нуар", "newTitle": "" })).await;
    assert_eq!(refused, ["BAD_USER_INPUT input.newTitle: is empty; write something", used[0]]);
    editor.done("updateMovie", json!({ "id": movie, "tags": [] }), "movie { id }").await;
    editor.done("deletePublication", json!({ "id": publication }), "deletedId").await;
    let refused = editor.refused("updateTag", json!({ "title": "Нуар", "newTitle": "Драма" })).await;
    assert_eq!(refused, ["CONFLICT input.newTitle: there is such a tag already; choose another title"]);
    let refused = editor.refused("createTag", json!({ "title": "Драма" })).await;
    assert_eq!(refused, ["CONFLICT input.title: there is such a tag already; choose another title"]);
    editor.done("deleteTag", json!({ "title": "Нуар" }), "deletedTitle").await;
    // A tag that goes while a movie gets it: one of the two is refused.
    for round in 0..12 {
        let title = format!("Тег {round}");
        editor.done("createTag", json!({ "title": title }), "tag { title }").await;
        let movie = json!({ "title": "М", "durationMinutes": 1, "tags": [title] });
        let create = editor.send("createMovie", movie, "movie { id }");
        let (create, delete) = join(create, editor.send("deleteTag", json!({ "title": title }), "")).await;
        assert_ne!(create.problems().is_empty(), delete.problems().is_empty(), "{create} {delete}");
        let found = app
            .data(
                "query($tag: [String!]!) { movies(filter: { tags: { all: $tag } }) { totalCount } tags(first: 100) {
            nodes { title } } }",
                json!({ "tag": [title] }),
            )
            .await;
        let is_there = found["tags"]["nodes"].as_array().unwrap().contains(&json!({ "title": title }));
        assert_eq!(is_there, found["movies"]["totalCount"] == 1);
    }
}

async fn no_two_have_the_same_unique_value(backend: Backend) {
    let (_app, editor) = begin(backend).await;
    let first = json!({ "title": "Первый", "url": "https://first.example" });
    let id = editor.done("createCinema", first.clone(), "cinema { id }").await["cinema"]["id"].clone();
    let both = [
        "CONFLICT input.title: another cinema has this title; choose another",
        "CONFLICT input.url: another cinema has this address",
    ];
    assert_eq!(editor.refused("createCinema", first.clone()).await, both, "all at once");
    let bad = json!({ "title": "Первый", "url": "ftp://first.example" });
    let expected = ["BAD_USER_INPUT input.url: is no address of a site such as https://cinema.example", both[0]];
    assert_eq!(editor.refused("createCinema", bad).await, expected);
    let mut own = first.clone();
    own["id"] = id;
    editor.done("updateCinema", own, "cinema { id }").await;
    let mut other = first;
    other["id"] = json!(global_id("Cinema", 1));
    assert_eq!(editor.refused("updateCinema", other).await, both);

    let award = |movie: i32, nomination: i32| {
        json!({ "movieId": global_id("Movie", movie), "awardId": global_id("FilmAward", 1),
            "nominationId": global_id("FilmAwardNomination", nomination) })
    };
    editor.done("createMovieAward", award(1, 1), "award { id }").await;
    let second = editor.done("createMovieAward", award(1, 2), "award { id }").await["award"]["id"].clone();
    let taken = ["CONFLICT input.nominationId: the movie has this award in this nomination already"];
    assert_eq!(editor.refused("createMovieAward", award(1, 1)).await, taken);
    let moved = json!({ "id": second, "nominationId": global_id("FilmAwardNomination", 1) });
    assert_eq!(editor.refused("updateMovieAward", moved).await, taken);
    for (mutation, text) in [("createPersonPosition", "position"), ("createPublicationCategory", "category")] {
        editor.done(mutation, json!({ "title": "Один" }), &format!("{text} {{ id }}")).await;
        let refused = editor.refused(mutation, json!({ "title": "Один" })).await;
        assert_eq!(refused, [format!("CONFLICT input.title: there is such a {text} already; choose another title")]);
    }
}

async fn one_of_many_creations_at_once_wins(backend: Backend) {
    let (_app, editor) = begin(backend).await;
    for round in 0..6 {
        let cases = [
            ("createCinema", json!({ "title": format!("Гонка {round}"), "url": format!("https://r{round}.example") })),
            ("createPersonPosition", json!({ "title": format!("Гонщик {round}") })),
            ("createTag", json!({ "title": format!("Гонка {round}") })),
            (
                "createMovieAward",
                json!({
                    "movieId": global_id("Movie", 1), "awardId": global_id("FilmAward", 1),
                    "nominationId": global_id("FilmAwardNomination", round + 1),
                }),
            ),
        ];
        for (mutation, input) in cases {
            let answers = join_all((0..6).map(|_| editor.send(mutation, input.clone(), ""))).await;
            let problems: Vec<_> = answers.iter().map(crate::app::Answer::problems).collect();
            assert_eq!(problems.iter().filter(|problems| problems.is_empty()).count(), 1, "{mutation}: {problems:?}");
            let lost = problems.iter().flatten();
            assert!(lost.clone().all(|problem| problem.starts_with("CONFLICT input.")), "{mutation}: {problems:?}");
        }
    }
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
        ("year", json!(1879), "1879 is out of range; name 1880 to 2200"),
        ("year", json!(2201), "2201 is out of range; name 1880 to 2200"),
        ("rating", json!(0), "0 is out of range; name 1 to 5"),
        ("rating", json!(6), "6 is out of range; name 1 to 5"),
        ("durationMinutes", json!(-1), "-1 is out of range; name 0 to 2147483647"),
        ("budget", json!("-0.01"), "-0.01 is out of range; name 0.00 or more, less than 10000000000000"),
        (
            "boxOffice",
            json!("10000000000000"),
            "10000000000000.00 is out of range; name 0.00 or more, less than 10000000000000",
        ),
        ("title", json!("я".repeat(257)), "has 257 characters; 256 are allowed"),
        ("isbn", json!("1234567890123"), "has 13 characters; 12 are allowed"),
        ("isbn", json!(""), "is empty; write something"),
        ("plot", json!("ж".repeat(20_001)), "has 20001 characters; 20000 are allowed"),
        ("country", json!("а\nб"), "holds the control character U+000A; leave it out"),
        ("tags", json!(many), "21 tags are too many; name 20 at most"),
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
    assert_eq!(refused, ["BAD_USER_INPUT input.birthday: is out of range; name a day in the years from 1 on"]);
    editor.done("updatePerson", person("0001-01-01"), "person { id }").await;
    for url in ["", "кинотеатр", "javascript:alert(1)", "https://", "http://а б", "mailto:a@b.example"] {
        let refused = editor.refused("createCinema", json!({ "title": "Сайт", "url": url })).await;
        let told = "BAD_USER_INPUT input.url: is no address of a site such as https://cinema.example".to_owned();
        assert!(refused.contains(&told), "{url}: {refused:?}");
    }
}

async fn availability_is_set_and_removed(backend: Backend) {
    let (app, editor) = begin(backend).await;
    let shown = "availability { id price rating discountPercent viewCount updatedAt movie { id } cinema { id } }";
    let movie = json!({ "title": "Новый", "durationMinutes": 1 });
    let movie = editor.done("createMovie", movie, "movie { id }").await["movie"]["id"].clone();
    let terms = |price: &str, rest: Value| {
        let mut terms = json!({ "movieId": movie, "cinemaId": global_id("Cinema", 1), "price": price, "rating": 4 });
        for (field, value) in rest.as_object().unwrap() {
            terms[field] = value.clone();
        }
        terms
    };
    let first = editor.done("setAvailability", terms("350", json!({})), shown).await["availability"].clone();
    assert_eq!(
        (&first["price"], &first["discountPercent"], &first["viewCount"]),
        (&json!("350.00"), &json!(0), &Value::Null)
    );
    let rest = json!({ "discountPercent": 30, "viewCount": "5000000000" });
    let second = editor.done("setAvailability", terms("99.90", rest), shown).await["availability"].clone();
    assert_eq!(second["id"], first["id"]);
    assert_eq!(
        (&second["price"], &second["discountPercent"], &second["viewCount"]),
        (&json!("99.90"), &json!(30), &json!("5000000000"))
    );
    let third =
        editor.done("setAvailability", terms("1", json!({ "viewCount": null })), shown).await["availability"].clone();
    assert_eq!((&third["discountPercent"], &third["viewCount"]), (&json!(30), &Value::Null), "what is left out stays");
    let bad = json!({
        "movieId": movie, "cinemaId": movie, "price": "100000000", "rating": 6, "discountPercent": 101, "viewCount": "-1",
    });
    let expected = [
        "BAD_USER_INPUT input.cinemaId: this is the id of a Movie; the id of a Cinema is wanted",
        "BAD_USER_INPUT input.price: 100000000.00 is out of range; name 0.00 or more, less than 100000000",
        "BAD_USER_INPUT input.rating: 6 is out of range; name 1 to 5",
        "BAD_USER_INPUT input.discountPercent: 101 is out of range; name 0 to 100",
        "BAD_USER_INPUT input.viewCount: is below zero",
    ];
    assert_eq!(editor.refused("setAvailability", bad).await, expected);
    let removed = editor.done("removeAvailability", json!({ "id": first["id"] }), "deletedId").await;
    assert_eq!(removed["deletedId"], first["id"]);
    let refused = editor.refused("removeAvailability", json!({ "id": first["id"] })).await;
    assert_eq!(refused, ["NOT_FOUND input.id: there is no such availability; it may have been deleted"]);
    let left =
        app.data("query($id: ID!) { movie(id: $id) { availability { totalCount } } }", json!({ "id": movie })).await;
    assert_eq!(left["movie"]["availability"]["totalCount"], 0);
}

async fn one_availability_is_left_of_many_at_once(backend: Backend) {
    let (app, editor) = begin(backend).await;
    let movie = json!({ "title": "Новый", "durationMinutes": 1 });
    let movie = editor.done("createMovie", movie, "movie { id }").await["movie"]["id"].clone();
    let answers = join_all((1..=8).map(|price| {
        let terms = json!({ "movieId": movie, "cinemaId": global_id("Cinema", 1), "price": price, "rating": 4 });
        editor.send("setAvailability", terms, "availability { price }")
    }))
    .await;
    assert!(answers.iter().all(|answer| answer.problems().is_empty()));
    let left =
        app.data("query($id: ID!) { movie(id: $id) { availability { totalCount } } }", json!({ "id": movie })).await;
    assert_eq!(left["movie"]["availability"]["totalCount"], 1);
}

async fn deletion_and_new_reference_at_once_break_nothing(backend: Backend) {
    let (app, editor) = begin(backend).await;
    for round in 0..12 {
        let person = json!({ "firstName": "Ян", "lastName": round.to_string(), "country": "Китай" });
        let person = editor.done("createPerson", person, "person { id }").await["person"]["id"].clone();
        let entry = json!({ "movieId": global_id("Movie", 1), "personId": person, "positionId": global_id("PersonPosition", 1) });
        let create = editor.send("createStaffMember", entry, "staffMember { id }");
        let (create, delete) = join(create, editor.send("deletePerson", json!({ "id": person }), "")).await;
        match (create.problems().as_slice(), delete.problems().as_slice()) {
            ([], [told]) => assert_eq!(told, "CONFLICT input.id: still used by 1 staff entry; remove these first"),
            ([told], []) => {
                assert_eq!(told, "NOT_FOUND input.personId: there is no such person; it may have been deleted");
            }
            other => panic!("{other:?}"),
        }
        let key = kinoteka::kit::id::split(person.as_str().unwrap()).unwrap().1;
        let entries = movie_staff_m2m::Entity::find().filter(movie_staff_m2m::Column::PersonId.eq(key));
        assert_eq!(entries.count(&app.sql().await).await.unwrap() == 1, create.problems().is_empty());
    }
}

async fn every_change_is_in_the_audit_log(backend: Backend) {
    let (app, editor) = begin(backend).await;
    let kinds = kinds();
    let db = app.sql().await;
    for kind in &kinds {
        let made = kind.create(&editor).await;
        kind.update(&editor, &made["id"], kind.change.clone()).await;
        // Nothing is changed, or refused: nothing is noted.
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
    // The same terms again are no change; others are one beside what they were.
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
