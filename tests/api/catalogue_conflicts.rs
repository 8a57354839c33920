//! Conflicts of editors: objects in use, existing values, and simultaneous changes.

use async_graphql::futures_util::future::{join, join_all};
use entity::movie_staff_m2m;
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};
use serde_json::{Value, json};

use crate::catalogue::begin;
use crate::movie::global_id;
use crate::support::database::Backend;

on_both!(
    objects_in_use_are_not_deleted,
    tags_in_use_are_not_changed,
    unique_values_are_not_repeated,
    one_of_many_simultaneous_creations_wins,
    a_simultaneous_deletion_and_reference_break_nothing,
);

async fn objects_in_use_are_not_deleted(backend: Backend) {
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
        assert_eq!(refused, [format!("CONFLICT input.id: is still used by {used}; delete these first")], "{name}");
    }
    // Counting stops at a limit.
    let key = kinoteka::kit::id::split(&position).unwrap().1;
    let rows = (0..1_100).map(|_| movie_staff_m2m::ActiveModel {
        movie_id: sea_orm::Set(1),
        person_id: sea_orm::Set(1),
        position_id: sea_orm::Set(key),
        ..Default::default()
    });
    movie_staff_m2m::Entity::insert_many(rows).exec(&db).await.unwrap();
    let refused = editor.refused("deletePersonPosition", json!({ "id": position })).await;
    assert_eq!(refused, ["CONFLICT input.id: is still used by more than 1000 staff entries; delete these first"]);
    // Dependent rows are deleted too: staff entries, availability, comments, ratings.
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

async fn tags_in_use_are_not_changed(backend: Backend) {
    let (app, editor) = begin(backend).await;
    editor.done("createTag", json!({ "title": "Нуар" }), "tag { title }").await;
    let movie = json!({ "title": "М", "durationMinutes": 1, "tags": ["Нуар"] });
    let movie = editor.done("createMovie", movie, "movie { id }").await["movie"]["id"].clone();
    let text =
        json!({ "title": "Т", "text": "Т", "categoryId": global_id("PublicationCategory", 1), "tags": ["Нуар"] });
    let publication = editor.done("createPublication", text, "publication { id }").await["publication"]["id"].clone();
    let used = ["CONFLICT input.title: is still used by 1 movie, 1 publication; delete these first"];
    assert_eq!(editor.refused("deleteTag", json!({ "title": "Нуар" })).await, used);
    let refused = editor.refused("updateTag", json!({ "title": "Нуар", "newTitle": "" })).await;
    assert_eq!(refused, ["BAD_USER_INPUT input.newTitle: must not be empty", used[0]]);
    editor.done("updateMovie", json!({ "id": movie, "tags": [] }), "movie { id }").await;
    editor.done("deletePublication", json!({ "id": publication }), "deletedId").await;
    let refused = editor.refused("updateTag", json!({ "title": "Нуар", "newTitle": "Драма" })).await;
    assert_eq!(refused, ["CONFLICT input.newTitle: another tag has this title; choose another"]);
    let refused = editor.refused("createTag", json!({ "title": "Драма" })).await;
    assert_eq!(refused, ["CONFLICT input.title: another tag has this title; choose another"]);
    editor.done("deleteTag", json!({ "title": "Нуар" }), "deletedTitle").await;
    // A tag is deleted while a movie gets it: one of the two is refused.
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

async fn unique_values_are_not_repeated(backend: Backend) {
    let (_app, editor) = begin(backend).await;
    let first = json!({ "title": "Первый", "url": "https://first.example" });
    let id = editor.done("createCinema", first.clone(), "cinema { id }").await["cinema"]["id"].clone();
    let both = [
        "CONFLICT input.title: another cinema has this title; choose another",
        "CONFLICT input.url: another cinema has this URL; choose another",
    ];
    assert_eq!(editor.refused("createCinema", first.clone()).await, both, "all problems together");
    let bad = json!({ "title": "Первый", "url": "ftp://first.example" });
    let expected = ["BAD_USER_INPUT input.url: must be a URL such as https://cinema.example", both[0]];
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
    let taken = ["CONFLICT input.nominationId: the movie already has this award in this nomination"];
    assert_eq!(editor.refused("createMovieAward", award(1, 1)).await, taken);
    let moved = json!({ "id": second, "nominationId": global_id("FilmAwardNomination", 1) });
    assert_eq!(editor.refused("updateMovieAward", moved).await, taken);
    for (mutation, text) in [("createPersonPosition", "position"), ("createPublicationCategory", "category")] {
        editor.done(mutation, json!({ "title": "Один" }), &format!("{text} {{ id }}")).await;
        let refused = editor.refused(mutation, json!({ "title": "Один" })).await;
        assert_eq!(refused, [format!("CONFLICT input.title: another {text} has this title; choose another")]);
    }
}

async fn one_of_many_simultaneous_creations_wins(backend: Backend) {
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
            let problems: Vec<_> = answers.iter().map(crate::app::GraphqlResponse::problems).collect();
            assert_eq!(problems.iter().filter(|problems| problems.is_empty()).count(), 1, "{mutation}: {problems:?}");
            let lost = problems.iter().flatten();
            assert!(lost.clone().all(|problem| problem.starts_with("CONFLICT input.")), "{mutation}: {problems:?}");
        }
    }
}

async fn a_simultaneous_deletion_and_reference_break_nothing(backend: Backend) {
    let (app, editor) = begin(backend).await;
    for round in 0..12 {
        let person = json!({ "firstName": "Ян", "lastName": round.to_string(), "country": "Китай" });
        let person = editor.done("createPerson", person, "person { id }").await["person"]["id"].clone();
        let entry = json!({ "movieId": global_id("Movie", 1), "personId": person, "positionId": global_id("PersonPosition", 1) });
        let create = editor.send("createStaffMember", entry, "staffMember { id }");
        let (create, delete) = join(create, editor.send("deletePerson", json!({ "id": person }), "")).await;
        match (create.problems().as_slice(), delete.problems().as_slice()) {
            ([], [told]) => assert_eq!(told, "CONFLICT input.id: is still used by 1 staff entry; delete these first"),
            ([told], []) => {
                assert_eq!(told, "NOT_FOUND input.personId: the person does not exist; it may have been deleted");
            }
            other => panic!("{other:?}"),
        }
        let key = kinoteka::kit::id::split(person.as_str().unwrap()).unwrap().1;
        let entries = movie_staff_m2m::Entity::find().filter(movie_staff_m2m::Column::PersonId.eq(key));
        assert_eq!(entries.count(&app.sql().await).await.unwrap() == 1, create.problems().is_empty());
    }
}
