//! Mutations in a single statement on PostgreSQL: their cost, their payloads, and their behavior with concurrent changes of
//! the same rows.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::{Duration, Instant};

use async_graphql::futures_util::future::join;
use entity::{comments, publications, users_rating};
use sea_orm::{ColumnTrait, ConnectionTrait, DatabaseConnection, EntityTrait, PaginatorTrait, QueryFilter, Statement};
use serde_json::{Value, json};

use crate::app::{TestApp, User};
use crate::movie::global_id;
use crate::proxy::Proxy;
use crate::support::database::{Backend, TestDatabase};

on_both!(payloads_equal_the_result_of_a_query);

/// The selection of each mutation: the object's own columns, and its author.
const SHOWN: &[(&str, &str)] = &[
    ("addComment", COMMENT),
    ("editComment", COMMENT),
    ("hideComment", COMMENT),
    ("deleteComment", "deletedId"),
    ("rate", "rating { __typename id rating createdAt user { username fullName joinedAt email birthday } }"),
    ("removeRating", "subject { __typename ... on Movie { id title } }"),
    ("orderMovie", "order { __typename id number price orderedAt }"),
    ("createPublication", PUBLICATION),
    ("updatePublication", PUBLICATION),
    ("deletePublication", "deletedId"),
];

const COMMENT: &str =
    "comment { __typename id text createdAt changedAt canEdit author { id username fullName joinedAt } }";
const PUBLICATION: &str =
    "publication { __typename id title text tags createdAt changedAt canEdit author { id username fullName } }";

fn shown(mutation: &str) -> &'static str {
    SHOWN.iter().find(|(name, _)| *name == mutation).unwrap().1
}

/// The objects of mutations. Each call creates new ones.
struct Site {
    user: User,
    editor: User,
}

impl Site {
    async fn new(app: &TestApp) -> Self {
        Self { user: app.sign_in("user", "member").await, editor: app.sign_in("editor", "editor").await }
    }

    /// A user with the right to do it.
    fn whose(&self, mutation: &str) -> &User {
        if mutation == "hideComment" { &self.editor } else { &self.user }
    }

    async fn comment(&self, parent: Option<&Value>) -> Value {
        let input = match parent {
            Some(parent) => json!({ "parentId": parent, "text": "Ответ" }),
            None => json!({ "subjectId": global_id("Movie", 1), "text": "Раз" }),
        };
        self.user.done("addComment", input, "comment { id }").await["comment"]["id"].clone()
    }

    async fn publication(&self) -> Value {
        self.user.done("createPublication", publication(), "publication { id }").await["publication"]["id"].clone()
    }

    /// A valid input of the mutation. `case` may have details after a comma.
    async fn input(&self, case: &str) -> Value {
        match case {
            "addComment" => json!({ "subjectId": global_id("Publication", 1), "text": "Раз" }),
            "addComment, a reply" => json!({ "parentId": self.comment(None).await, "text": "Два" }),
            "addComment, a reply to a reply" => {
                let reply = self.comment(Some(&self.comment(None).await)).await;
                json!({ "parentId": reply, "subjectId": global_id("Movie", 1), "text": "Три" })
            }
            "editComment" => json!({ "id": self.comment(None).await, "text": "Иначе" }),
            "hideComment" | "deleteComment" => json!({ "id": self.comment(None).await }),
            "rate" => json!({ "subjectId": self.movie(false).await, "rating": 4 }),
            "rate, again" => json!({ "subjectId": self.movie(true).await, "rating": 5 }),
            "removeRating" => json!({ "subjectId": self.movie(true).await }),
            "orderMovie" => {
                let movie = self.movie(false).await;
                let mut terms = json!({ "movieId": movie, "cinemaId": global_id("Cinema", 1) });
                let input = terms.clone();
                (terms["price"], terms["rating"]) = (json!("100.50"), json!(3));
                self.editor.done("setAvailability", terms, "").await;
                input
            }
            "createPublication" => publication(),
            "updatePublication" => json!({ "id": self.publication().await, "title": "Другой" }),
            "deletePublication" => json!({ "id": self.publication().await }),
            other => panic!("no input for {other}"),
        }
    }

    /// A new movie, optionally rated by the user.
    async fn movie(&self, rated: bool) -> Value {
        let input = json!({ "title": "Новый", "durationMinutes": 90 });
        let id = self.editor.done("createMovie", input, "movie { id }").await["movie"]["id"].clone();
        if rated {
            self.user.done("rate", json!({ "subjectId": id, "rating": 3 }), "").await;
        }
        id
    }
}

fn publication() -> Value {
    json!({
        "title": "Заголовок", "text": "Текст\nв две строки", "categoryId": global_id("PublicationCategory", 1),
        "tags": ["Комедия", "Драма"],
    })
}

/// The mutation of a case.
fn mutation(case: &str) -> &str {
    case.split(',').next().unwrap()
}

/// A payload's object equals that of a query, however the payload was read.
async fn payloads_equal_the_result_of_a_query(backend: Backend) {
    let app = TestApp::seeded(backend).await;
    let site = Site::new(&app).await;
    for case in
        ["addComment", "addComment, a reply", "editComment", "rate", "rate, again", "orderMovie", "createPublication"]
    {
        let name = mutation(case);
        let (field, selection) = shown(name).split_once(' ').unwrap();
        let done = site.user.done(name, site.input(case).await, shown(name)).await;
        let query = format!(
            "query($id: ID!) {{ node(id: $id) {{ ... on {} {selection} }} }}",
            done[field]["__typename"].as_str().unwrap()
        );
        let read = site.user.data(&query, json!({ "id": done[field]["id"] })).await;
        assert_eq!(read["node"], done[field], "{case}");
    }
}

/// The table of docs/mutations.md: the round trips of each case, without and with an idempotency key.
fn documented() -> BTreeMap<String, [usize; 2]> {
    let docs = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/mutations.md")).unwrap();
    let (_, table) = docs.split_once("| turns | with a key |\n|---|---|---|\n").unwrap();
    let rows = table.lines().map_while(|line| line.strip_prefix("| ")).map(|line| {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        (cells[0].replace('`', ""), [cells[1].parse().unwrap(), cells[2].parse().unwrap()])
    });
    rows.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn mutations_cost_the_documented_round_trips() {
    let mut database = TestDatabase::seeded(Backend::Postgres).await;
    let proxy = Proxy::before(&mut database).await;
    let unlimited = ["--mutations-per-user", "1000000"];
    let asks_always = TestApp::start(database, &[&unlimited[..], &["--session-cache-ms", "0"]].concat()).await;
    let knows = TestApp::start_on(&asks_always, &unlimited).await;
    let site = Site::new(&asks_always).await;
    proxy.settle().await;
    let mut found = BTreeMap::new();
    let documented = documented();
    for (case, wanted) in &documented {
        let (name, user) = (mutation(case), site.whose(mutation(case)));
        let turns = async |user: &User, key: Option<String>| {
            let input = site.input(case).await;
            proxy.take_round_trips();
            let answer = match key {
                Some(key) => user.send_keyed(&key, name, input, shown(name)).await,
                None => user.send(name, input, shown(name)).await,
            };
            assert_eq!(answer.problems(), [""; 0], "{case}");
            proxy.take_round_trips()
        };
        // On a busy machine, a connection may have been idle and is tested first.
        let mut least = [usize::MAX; 2];
        for round in 0..5 {
            let key = format!("{case} {round}").replace(' ', "_");
            let [plain, keyed] = [turns(user, None).await, turns(user, Some(key)).await].map(|turns| turns.len());
            least = [least[0].min(plain), least[1].min(keyed)];
            if least == *wanted {
                break;
            }
        }
        // One round trip less if the session is cached, which may have expired on a busy machine.
        let elsewhere = knows.bearer(user.id, user.token.as_ref().unwrap());
        let begun = Instant::now();
        loop {
            let known = turns(&elsewhere, None).await;
            if known.len() == least[0] - 1 {
                break;
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "{case}: {known:#?}\nand {least:?}");
        }
        found.insert(case.clone(), least);
    }
    assert_eq!(found, documented);
}

/// Runs `sql` in a transaction, and commits it when `request` waits for its locks.
async fn overtaken<T>(app: &TestApp, sql: &str, request: impl Future<Output = T>) -> T {
    let (holder, watcher) = (app.sql().await, app.sql().await);
    holder.execute_unprepared(&format!("BEGIN; {sql}")).await.unwrap();
    let commit = async {
        until_locked(&watcher).await;
        holder.execute_unprepared("COMMIT").await.unwrap();
    };
    join(request, commit).await.0
}

async fn until_locked(db: &DatabaseConnection) {
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let begun = Instant::now();
    loop {
        let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await.unwrap().unwrap();
        if row.try_get_by_index::<i64>(0).unwrap() > 0 {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "no statement waits for a lock");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn key(id: &Value) -> i32 {
    kinoteka::kit::id::split(id.as_str().unwrap()).unwrap().1
}

const GONE: &str = "the comment does not exist; it may have been deleted";

#[tokio::test(flavor = "multi_thread")]
async fn comments_deleted_meanwhile_get_no_replies_and_edits() {
    let app = TestApp::seeded(Backend::Postgres).await;
    let site = Site::new(&app).await;
    let count = async || comments::Entity::find().count(&app.sql().await).await.unwrap();
    // A deletion locks the comment. With replies it stays, without text and author.
    for keyed in [false, true] {
        let parent = site.comment(None).await;
        site.comment(Some(&parent)).await;
        let before = count().await;
        let bury = format!(
            "SELECT FROM comments WHERE id = {0} FOR UPDATE; INSERT INTO comment_tombstones (comment_id) VALUES ({0})",
            key(&parent)
        );
        let input = json!({ "parentId": parent, "text": "Ответ" });
        let reply = async {
            match keyed {
                true => site.user.send_keyed("reply", "addComment", input, "comment { id }").await,
                false => site.user.send("addComment", input, "comment { id }").await,
            }
        };
        assert_eq!(overtaken(&app, &bury, reply).await.problems(), [format!("NOT_FOUND input.parentId: {GONE}")]);
        assert_eq!(count().await, before);
    }
    let edited = site.comment(None).await;
    site.comment(Some(&edited)).await;
    let bury = format!("INSERT INTO comment_tombstones (comment_id) VALUES ({})", key(&edited));
    let edit = site.user.send("editComment", json!({ "id": edited, "text": "Поздно" }), "comment { id }");
    assert_eq!(overtaken(&app, &bury, edit).await.problems(), [format!("NOT_FOUND input.id: {GONE}")]);
    let row = comments::Entity::find_by_id(key(&edited)).one(&app.sql().await).await.unwrap().unwrap();
    assert_eq!((row.comment.as_str(), row.user_id, row.changed_at), ("", None, None));
    // A comment that is removed completely.
    let parent = site.comment(None).await;
    let delete = format!("DELETE FROM comments WHERE id = {}", key(&parent));
    let reply = site.user.send("addComment", json!({ "parentId": parent, "text": "Ответ" }), "comment { id }");
    assert_eq!(overtaken(&app, &delete, reply).await.problems(), [format!("NOT_FOUND input.parentId: {GONE}")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn simultaneous_edits_follow_each_other() {
    let app = TestApp::seeded(Backend::Postgres).await;
    let site = Site::new(&app).await;
    let id = site.comment(None).await;
    let later = "2999-01-01T00:00:00+00:00";
    let edit = format!("UPDATE comments SET comment = 'Раньше', changed_at = '{later}' WHERE id = {}", key(&id));
    let request = site.user.send("editComment", json!({ "id": id, "text": "Позже" }), "comment { text changedAt }");
    let done = overtaken(&app, &edit, request).await.data();
    // Also after an edit by a server whose clock is ahead.
    assert_eq!(done["it"]["comment"], json!({ "text": "Позже", "changedAt": "2999-01-01T00:00:00.000001+00:00" }));
}

#[tokio::test(flavor = "multi_thread")]
async fn subjects_deleted_meanwhile_get_nothing() {
    let app = TestApp::seeded(Backend::Postgres).await;
    let site = Site::new(&app).await;
    for (name, more) in [("addComment", json!({ "text": "Раз" })), ("rate", json!({ "rating": 3 }))] {
        let movie = site.movie(false).await;
        let mut input = more;
        input["subjectId"] = movie.clone();
        let delete = format!("DELETE FROM movies WHERE id = {}", key(&movie));
        let problems = overtaken(&app, &delete, site.user.send(name, input, "")).await.problems();
        let gone = "NOT_FOUND input.subjectId: the movie or publication does not exist; it may have been deleted";
        assert_eq!(problems, [gone], "{name}");
    }
    // A rating that is removed meanwhile is added again.
    let movie = site.movie(true).await;
    let remove = format!("DELETE FROM users_rating WHERE movie_id = {}", key(&movie));
    let rate = site.user.send("rate", json!({ "subjectId": movie, "rating": 1 }), "rating { rating }");
    assert_eq!(overtaken(&app, &remove, rate).await.data()["it"]["rating"]["rating"], 1);
    // A rating that is added meanwhile is replaced.
    let movie = site.movie(false).await;
    let give =
        format!("INSERT INTO users_rating (movie_id, user_id, rating) VALUES ({}, {}, 5)", key(&movie), site.user.id);
    let rate = site.user.send("rate", json!({ "subjectId": movie, "rating": 2 }), "rating { rating }");
    assert_eq!(overtaken(&app, &give, rate).await.data()["it"]["rating"]["rating"], 2);
    let rows = users_rating::Entity::find().filter(users_rating::Column::MovieId.eq(key(&movie)));
    assert_eq!(rows.all(&app.sql().await).await.unwrap().iter().map(|row| row.rating).collect::<Vec<_>>(), [2]);
}

/// The first insertion fails before it locks anything, so that the fallback in a transaction runs.
const FIRST_FAILS: &str = "CREATE SEQUENCE insertions;
    CREATE FUNCTION first_fails() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN IF nextval('insertions') = 1 THEN RAISE unique_violation; END IF; RETURN NULL; END $$;
    CREATE TRIGGER first_fails BEFORE INSERT ON comments FOR EACH STATEMENT EXECUTE FUNCTION first_fails();
    CREATE TRIGGER first_fails BEFORE INSERT ON users_rating FOR EACH STATEMENT EXECUTE FUNCTION first_fails()";

#[tokio::test(flavor = "multi_thread")]
async fn publications_whose_deletion_begins_meanwhile_get_nothing() {
    let app = TestApp::seeded(Backend::Postgres).await;
    let site = Site::new(&app).await;
    let db = app.sql().await;
    for in_transaction in [false, true] {
        if in_transaction {
            db.execute_unprepared(FIRST_FAILS).await.unwrap();
        }
        for case in ["addComment", "addComment, a reply", "rate"] {
            let publication = site.publication().await;
            let comment = json!({ "subjectId": publication, "text": "Раз" });
            let parent = site.user.done("addComment", comment.clone(), "comment { id }").await["comment"]["id"].clone();
            let input = match case {
                "addComment" => comment,
                "rate" => json!({ "subjectId": publication, "rating": 3 }),
                _ => json!({ "parentId": parent, "text": "Два" }),
            };
            if in_transaction {
                db.execute_unprepared("ALTER SEQUENCE insertions RESTART").await.unwrap();
            }
            // The step of `deletePublication` before it removes comments and ratings in batches.
            let delete = format!(
                "SELECT FROM publications WHERE id = {0} FOR UPDATE;
                 UPDATE publications SET title = '', text = '', tags = NULL, deleted_at = now() WHERE id = {0}",
                key(&publication)
            );
            let problems = overtaken(&app, &delete, site.user.send(mutation(case), input, "")).await.problems();
            let what = format!("{case}, in a transaction: {in_transaction}: {problems:?}");
            assert!(problems.len() == 1 && problems[0].starts_with("NOT_FOUND "), "{what}");
            let comments = comments::Entity::find().filter(comments::Column::PublicationId.eq(key(&publication)));
            let ratings =
                users_rating::Entity::find().filter(users_rating::Column::PublicationId.eq(key(&publication)));
            assert_eq!((comments.count(&db).await.unwrap(), ratings.count(&db).await.unwrap()), (1, 0), "{what}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_use_the_current_terms() {
    let app = TestApp::seeded(Backend::Postgres).await;
    let site = Site::new(&app).await;
    let input = site.input("orderMovie").await;
    let terms = format!("cinema_online_movie_presence WHERE movie_id = {}", key(&input["movieId"]));
    let change = format!(
        "UPDATE cinema_online_movie_presence SET price = 0.05, discount = 50 WHERE movie_id = {}",
        key(&input["movieId"])
    );
    let order = site.user.send("orderMovie", input.clone(), "order { price }");
    assert_eq!(overtaken(&app, &change, order).await.data()["it"]["order"]["price"], "0.03");
    let order = site.editor.send("orderMovie", input, "");
    let problems = overtaken(&app, &format!("DELETE FROM {terms}"), order).await.problems();
    assert_eq!(problems, ["NOT_FOUND input.cinemaId: the cinema does not offer this movie"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn publications_only_use_existing_tags_and_categories() {
    let app = TestApp::seeded(Backend::Postgres).await;
    let site = Site::new(&app).await;
    let count = async || publications::Entity::find().count(&app.sql().await).await.unwrap();
    let mut input = site.input("createPublication").await;
    let before = count().await;
    app.sql()
        .await
        .execute_unprepared(
            "INSERT INTO tags VALUES ('Старый'); INSERT INTO publications_category (title) VALUES ('Старая')",
        )
        .await
        .unwrap();
    input["tags"] = json!(["Драма", "Старый"]);
    let create = site.user.send("createPublication", input.clone(), "");
    let problems = overtaken(&app, "UPDATE tags SET title = 'Новый' WHERE title = 'Старый'", create).await.problems();
    assert_eq!(problems, ["NOT_FOUND input.tags.1: the tag does not exist; it may have been deleted"]);
    // If the statement cannot name the problem, the transaction does.
    for (tags, problem) in [
        (json!(["Драма", "Драма"]), "BAD_USER_INPUT input.tags.1: repeats a tag; list each tag once"),
        (json!(["Дра\0ма"]), "NOT_FOUND input.tags.0: the tag does not exist; it may have been deleted"),
    ] {
        input["tags"] = tags;
        assert_eq!(site.user.refused("createPublication", input.clone()).await, [problem]);
    }
    assert_eq!(count().await, before);
    for tags in [Value::Null, json!([])] {
        input["tags"] = tags;
        site.user.done("createPublication", input.clone(), "publication { id }").await;
    }
    assert_eq!(count().await, before + 2);
    let row = app
        .sql()
        .await
        .query_one_raw(Statement::from_string(
            sea_orm::DbBackend::Postgres,
            "SELECT max(id) FROM publications_category",
        ))
        .await
        .unwrap()
        .unwrap();
    let category: i32 = row.try_get_by_index(0).unwrap();
    input["categoryId"] = json!(global_id("PublicationCategory", category));
    let create = site.user.send("createPublication", input, "");
    let delete = format!("DELETE FROM publications_category WHERE id = {category}");
    let problems = overtaken(&app, &delete, create).await.problems();
    assert_eq!(
        problems,
        ["NOT_FOUND input.categoryId: the publication category does not exist; it may have been deleted"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn repeated_mutations_use_no_ids() {
    let app = TestApp::seeded(Backend::Postgres).await;
    let site = Site::new(&app).await;
    let send = async |keyed: &str| {
        let input = json!({ "subjectId": global_id("Movie", 1), "text": "Раз" });
        let done = site.user.send_keyed(keyed, "addComment", input, "comment { id }").await.data();
        key(&done["it"]["comment"]["id"])
    };
    let first = send("one").await;
    for _ in 0..3 {
        assert_eq!(send("one").await, first);
    }
    assert_eq!(send("two").await, first + 1);
}
