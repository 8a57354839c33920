//! Properties of every row and every table.

use std::collections::{HashMap, HashSet};

use chrono::{Datelike, NaiveDate, Timelike};
use entity::comments as comments_table;
use entity::movies as movies_table;
use entity::user_movie_orders as orders_table;
use entity::users_rating as ratings_table;
use rust_decimal::Decimal;

use super::calendar::{now, opening, today, years_before};
use super::presences::student_price;
use super::*;
use crate::lists::{POSITIONS, TAGS, position_id};
use crate::sizes::Sizes;

fn demo() -> World {
    World::new(1, Sizes::demo())
}

/// The rows that a function emits.
fn emitted<M>(make: impl FnOnce(&mut dyn FnMut(M))) -> Vec<M> {
    let mut rows = Vec::new();
    make(&mut |row| rows.push(row));
    rows
}

fn orders_of(world: &World, movie: u32) -> Vec<orders_table::Model> {
    emitted(|emit| orders::of_movie(world, movie, emit))
}

fn ratings_of(world: &World, group: u32) -> Vec<ratings_table::Model> {
    emitted(|emit| ratings::of_subject(world, group, emit))
}

fn comments_of(world: &World, group: u32) -> Vec<comments_table::Model> {
    emitted(|emit| comments::of_subject(world, group, emit))
}

fn all<M>(groups: u32, rows: impl Fn(u32) -> Vec<M>) -> Vec<M> {
    (0..groups).flat_map(rows).collect()
}

fn all_movies(world: &World) -> Vec<movies_table::Model> {
    (0..world.sizes.movies).map(|row| movies::movie(world, row)).collect()
}

fn all_comments(world: &World) -> Vec<comments_table::Model> {
    all(subject::count(world), |group| comments_of(world, group))
}

fn ids(rows: impl IntoIterator<Item = i32>) -> Vec<i32> {
    rows.into_iter().collect()
}

fn row_of(id: i32) -> u32 {
    u32::try_from(id - 1).unwrap_or(u32::MAX)
}

fn assert_ids(rows: Vec<i32>) {
    assert_eq!(rows, ids((1..).take(rows.len())));
}

fn has_latin(text: &str) -> bool {
    text.chars().any(|letter| letter.is_ascii_alphabetic())
}

#[test]
fn a_seed_gives_the_same_rows_in_any_order() {
    let (one, two, other) = (demo(), demo(), World::new(2, Sizes::demo()));
    let forward: Vec<_> = (0..100).map(|row| (movies::movie(&one, row), comments_of(&one, row))).collect();
    let backward: Vec<_> = (0..100).rev().map(|row| (movies::movie(&two, row), comments_of(&two, row))).collect();
    assert!(forward.iter().eq(backward.iter().rev()));
    assert_eq!(orders_of(&one, 5), orders_of(&two, 5));
    assert_eq!(ratings_of(&one, 5), ratings_of(&two, 5));
    assert_ne!(movies::movie(&one, 0), movies::movie(&other, 0));
}

#[test]
fn the_demo_has_its_sizes() {
    let world = demo();
    let sizes = world.sizes;
    let movies = sizes.movies;
    assert_eq!(all(movies, |movie| staff::of_movie(&world, movie)).len(), sizes.staff as usize);
    assert_eq!(all(movies, |movie| presences::of_movie(&world, movie)).len(), sizes.presences as usize);
    assert_eq!(all(movies, |movie| awards::of_movie(&world, movie)).len(), sizes.awards as usize);
    assert_eq!(all(movies, |movie| orders_of(&world, movie)).len(), sizes.orders as usize);
    assert_eq!(all_comments(&world).len(), sizes.comments as usize);
    let rated = all(subject::count(&world), |group| ratings_of(&world, group));
    assert_eq!(rated.len(), sizes.ratings as usize);
}

#[test]
fn movies_obey_the_checks_and_leave_gaps() {
    let rows = all_movies(&demo());
    assert_ids(rows.iter().map(|row| row.id).collect());
    for row in &rows {
        assert!(row.year.is_none_or(|year| (1920..=2025).contains(&year)));
        assert!(row.rating.is_none_or(|rating| (1..=5).contains(&rating)));
        assert!(row.budget.is_none_or(|money| money > Decimal::ZERO && money < Decimal::from(10i64.pow(13))));
        assert!(row.isbn.as_ref().is_none_or(|isbn| isbn.len() == 12));
        assert!(row.rars.as_ref().is_none_or(|mark| ["0+", "6+", "12+", "16+", "18+"].contains(&mark.as_str())));
        assert!(row.duration > 0);
        assert!(!has_latin(&row.title) && row.subject.as_ref().is_none_or(|plot| !has_latin(plot)));
        if let Some(tags) = &row.tags {
            let tags: Vec<String> = serde_json::from_value(tags.clone()).unwrap_or_default();
            assert!((1..=4).contains(&tags.len()) && tags.iter().all(|tag| TAGS.contains(&tag.as_str())));
        }
    }
    assert!(rows.iter().any(|row| row.year.is_none()));
    assert!(rows.iter().any(|row| row.budget.is_none()) && rows.iter().any(|row| row.boxoffice.is_none()));
    assert!(rows.iter().any(|row| row.rating.is_none()) && rows.iter().any(|row| row.tags.is_none()));
    let titles: HashSet<_> = rows.iter().map(|row| &row.title).collect();
    assert!(titles.len() < rows.len() && titles.len() > rows.len() * 4 / 5, "{}", titles.len());
    let recent = rows.iter().filter(|row| row.year.is_some_and(|year| year >= 1990)).count();
    assert!(recent > rows.len() / 2);
}

#[test]
fn persons_are_of_their_age_and_gender() {
    let world = demo();
    let rows: Vec<_> = (0..world.sizes.persons).map(|row| persons::person(&world, row)).collect();
    assert_ids(rows.iter().map(|row| row.id).collect());
    let (oldest, youngest) = (years_before(today(), 70), years_before(today(), 10));
    for row in &rows {
        assert!(row.birthday.is_none_or(|birthday| (oldest..=youngest).contains(&birthday)));
        let fields =
            [Some(&row.country), Some(&row.last_name), Some(&row.first_name), row.mid_name.as_ref(), row.bio.as_ref()];
        assert!(fields.into_iter().flatten().all(|text| !has_latin(text)), "{row:?}");
        if let Some(patronymic) = &row.mid_name {
            let is_woman = patronymic.ends_with("на");
            let is_clear = ["ов", "ев", "ин", "ский"].iter().any(|ending| row.last_name.ends_with(ending));
            assert!(!(is_woman && is_clear), "{row:?}");
        }
    }
    assert!(rows.iter().any(|row| row.birthday.is_none()) && rows.iter().any(|row| row.mid_name.is_none()));
}

#[test]
fn users_are_unique_and_cannot_log_in() {
    let world = demo();
    let rows: Vec<_> = (0..world.sizes.users).map(|row| users::user(&world, row)).collect();
    assert_ids(rows.iter().map(|row| row.id).collect());
    assert_eq!(rows.iter().map(|row| &row.username).collect::<HashSet<_>>().len(), rows.len());
    assert_eq!(rows.iter().map(|row| &row.email).collect::<HashSet<_>>().len(), rows.len());
    let (oldest, youngest) = (years_before(today(), 60), years_before(today(), 17));
    for row in &rows {
        assert!(row.username.is_ascii() && row.username.len() <= 64 && row.email.is_ascii());
        assert_eq!(row.email, row.email.to_lowercase());
        assert_eq!(row.password, users::UNUSABLE_PASSWORD);
        assert!((oldest..=youngest).contains(&row.birthday));
        assert!((opening()..today()).contains(&row.created_at));
        assert!(row.deleted_at.is_none_or(|left| row.created_at <= left && left <= today()));
        assert!(row.last_logon.is_none_or(|seen| row.created_at <= seen && seen <= row.deleted_at.unwrap_or(today())));
        assert!(!has_latin(&row.fio) && row.bio.as_ref().is_none_or(|bio| !has_latin(bio)));
        assert_eq!(row.fio.split(' ').count(), 3);
    }
    assert!(rows.iter().any(|row| row.deleted_at.is_some()));
}

#[test]
fn usernames_stay_unique_at_larger_sizes() {
    let world = World::new(1, Sizes { users: 20_000, ..Sizes::demo() });
    let names: HashSet<_> = (0..20_000).map(|row| users::user(&world, row).username).collect();
    assert_eq!(names.len(), 20_000);
}

#[test]
fn films_have_a_director_and_leads() {
    let world = demo();
    let people: Vec<_> = (0..world.sizes.persons).map(|row| persons::traits(&world, row)).collect();
    let mut without = 0;
    let mut too_young = 0;
    for movie in 0..world.sizes.movies {
        let team = staff::of_movie(&world, movie);
        if team.is_empty() {
            without += 1;
            continue;
        }
        let named = |title: &str| team.iter().filter(|row| Some(row.position_id) == position_id(title)).count();
        assert_eq!(named("Режиссёр"), 1);
        assert!((3..=12).contains(&named("Актёр")), "{}", named("Актёр"));
        for row in &team {
            let is_actor = Some(row.position_id) == position_id("Актёр");
            assert_eq!(row.character.is_some(), is_actor);
            assert!(is_actor || !row.is_lead_role);
            assert!(row.character.as_ref().is_none_or(|character| !has_latin(character)));
            assert!((row_of(row.position_id) as usize) < POSITIONS.len());
            let person = people[row_of(row.person_id) as usize];
            too_young += u32::from(!person.was_at_least(6, movies::traits(&world, movie).year));
        }
        assert!((1..=2).contains(&team.iter().filter(|row| row.is_lead_role).count()));
    }
    assert!((1..30).contains(&without));
    assert_eq!(too_young, 0);
}

#[test]
fn awards_are_unique_and_go_to_the_staff() {
    let world = demo();
    let rows = all(world.sizes.movies, |movie| awards::of_movie(&world, movie));
    let keys: HashSet<_> = rows.iter().map(|row| (row.film_award_id, row.movie_id, row.nomination_id)).collect();
    assert_eq!(keys.len(), rows.len());
    for row in &rows {
        let staff = staff::of_movie(&world, row_of(row.movie_id));
        assert!(row.person_id.is_none_or(|person| staff.iter().any(|member| member.person_id == person)));
    }
    assert!(rows.iter().any(|row| row.person_id.is_none()) && rows.iter().any(|row| row.person_id.is_some()));
}

#[test]
fn orders_are_unique_and_at_the_student_price() {
    let world = demo();
    let shown = all(world.sizes.movies, |movie| presences::of_movie(&world, movie));
    let offers: HashMap<_, _> = shown.iter().map(|row| ((row.movie_id, row.cinema_id), row)).collect();
    assert_eq!(offers.len(), shown.len());
    for row in &shown {
        let price = row.price;
        assert!(price >= Decimal::from(100) && price <= Decimal::from(450) && (price % Decimal::from(50)).is_zero());
        assert!(row.discount == 0 || (10..=50).contains(&row.discount));
        assert!((1..=5).contains(&row.rating) && row.view_count.is_none_or(|views| views >= 0));
    }
    let orders = all(world.sizes.movies, |movie| orders_of(&world, movie));
    let keys: HashSet<_> = orders.iter().map(|row| (row.user_id, row.movie_id, row.online_cinema_id)).collect();
    assert_eq!(keys.len(), orders.len());
    let numbers: HashSet<_> = orders.iter().map(|row| row.cinema_order_id).collect();
    assert_eq!(numbers.len(), orders.len());
    for row in &orders {
        assert_eq!(row.price, student_price(offers[&(row.movie_id, row.online_cinema_id)]));
        let buyer = users::traits(&world, row_of(row.user_id));
        let day = row.date.date_naive();
        assert!(buyer.joined <= day && day <= buyer.last_day() && row.date <= now());
    }
}

#[test]
fn publications_follow_their_authors() {
    let world = demo();
    let rows: Vec<_> = (0..world.sizes.publications).map(|row| publications::publication(&world, row)).collect();
    assert_ids(rows.iter().map(|row| row.id).collect());
    for row in &rows {
        let author = users::traits(&world, row_of(row.author));
        let day: NaiveDate = row.created_at.date_naive();
        assert!(author.joined < day && day < author.last_day());
        assert!(row.created_at <= row.changed_at && row.changed_at <= now());
        assert!(!has_latin(&row.title) && !has_latin(&row.text));
        assert!(row.title.chars().count() <= 256);
    }
    assert!(rows.is_sorted_by_key(|row| row.created_at));
}

#[test]
fn threads_are_later_than_parents_and_on_their_subject() {
    let world = demo();
    let rows = all_comments(&world);
    assert_ids(rows.iter().map(|row| row.id).collect());
    let mut depths: HashMap<i32, u32> = HashMap::new();
    let by_id: HashMap<_, _> = rows.iter().map(|row| (row.id, row)).collect();
    for row in &rows {
        assert!(row.movie_id.is_some() != row.publication_id.is_some());
        assert!(row.created_at <= now() && row.changed_at.is_none_or(|at| row.created_at <= at && at <= now()));
        assert!(!has_latin(&row.comment), "{}", row.comment);
        let depth = match row.parent_id {
            None => 1,
            Some(parent) => {
                let above = by_id[&parent];
                assert!(above.created_at < row.created_at && above.id < row.id);
                assert_eq!((above.movie_id, above.publication_id), (row.movie_id, row.publication_id));
                depths[&parent] + 1
            }
        };
        depths.insert(row.id, depth);
        if let Some(user) = row.user_id {
            let author = users::traits(&world, row_of(user));
            let day = row.created_at.date_naive();
            assert!(author.joined <= day && day <= author.last_day());
        }
    }
    assert_eq!(depths.values().max(), Some(&comments::DEPTH_MAX));
    let on_movies = rows.iter().filter(|row| row.movie_id.is_some()).count() * 100 / rows.len();
    assert!((55..=65).contains(&on_movies));
    let nameless = rows.iter().filter(|row| row.user_id.is_none()).count();
    assert!(nameless > 0 && nameless < rows.len() / 10, "{nameless}");
    let changed = rows.iter().filter(|row| row.changed_at.is_some()).count();
    assert!(changed > 0 && changed < rows.len() / 5);
}

#[test]
fn ratings_are_one_per_user_and_subject() {
    let world = demo();
    let rows = all(subject::count(&world), |group| ratings_of(&world, group));
    let keys: HashSet<_> = rows.iter().map(|row| (row.movie_id, row.publication_id, row.user_id)).collect();
    assert_eq!(keys.len(), rows.len());
    assert!(rows.iter().all(|row| row.movie_id.is_some() != row.publication_id.is_some()));
    assert!(rows.iter().all(|row| (1..=5).contains(&row.rating) && row.created_at <= now()));
    let high = rows.iter().filter(|row| row.rating >= 3).count() * 100 / rows.len();
    assert!((65..99).contains(&high), "{high}");
}

#[test]
fn popularity_is_skewed() {
    let world = demo();
    let movies = world.sizes.movies;
    let mut counts: Vec<u32> = (0..movies).map(|movie| world.comments.count(movie)).collect();
    counts.sort_unstable_by(|a, b| b.cmp(a));
    let total: u32 = counts.iter().sum();
    let top: u32 = counts.iter().take(counts.len() / 10).sum();
    assert!(top * 100 / total > 35, "{top} of {total}");
    assert!(counts.contains(&0));
    assert!((0..movies).any(|movie| world.presences.count(movie) == 0));
}

#[test]
fn times_are_utc_to_the_microsecond() {
    let world = demo();
    for row in all_comments(&world).iter().take(1_000) {
        assert_eq!(row.created_at.offset().local_minus_utc(), 0);
        assert_eq!(row.created_at.nanosecond() % 1_000, 0);
        assert!(row.created_at.year() >= 2016);
    }
}
