//! A rolling upgrade under load: clients with idempotency keys that repeat broken requests on the other instance see no
//! errors.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use migration::{Migration, STEPS, Step, StepScript};
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::ask::{Asker, CHEAP_PASSWORDS};
use crate::process::Server;
use crate::support::address::own_address;
use crate::support::client;
use crate::support::database::{Backend, TestDatabase, read_texts};
use crate::usage::sized;

/// A schema change of a possible next version: a column, a table that its writers fill, and an index.
const NEXT: Step = Step {
    name: "9999_next",
    postgres: StepScript {
        up: "ALTER TABLE comments ADD COLUMN remark text NOT NULL DEFAULT '';
CREATE TABLE remarks (comment_id integer PRIMARY KEY REFERENCES comments ON DELETE CASCADE);
SELECT grant_like('remarks', 'comments');
INSERT INTO schema_steps (name, requires) VALUES ('9999_next', '0014_schema_steps');

CREATE INDEX CONCURRENTLY comments_remark_idx ON comments (remark, id);
",
        down: "",
    },
    sqlite: StepScript { up: "", down: "" },
};

const ADD: &str =
    "mutation($it: AddCommentInput!) { addComment(input: $it) { comment { id text } errors { message } } }";
const EDIT: &str =
    "mutation($it: EditCommentInput!) { editComment(input: $it) { comment { text } errors { message } } }";
const PAGE: &str =
    "{ movies(first: 5) { nodes { title comments(last: 5) { totalCount nodes { text author { username } } } } } }";

/// A client, and its measurements.
struct Client {
    asker: Asker,
    urls: [String; 2],
    turn: usize,
    answered: Arc<AtomicUsize>,
    repeated: usize,
    longest: Duration,
}

impl Client {
    /// Sends a request to one instance, and to the other when the connection breaks.
    async fn ask(&mut self, query: &str, variables: Value, key: Option<&str>) -> Value {
        let started = Instant::now();
        let answer = loop {
            let url = &self.urls[self.turn % 2];
            match self.asker.try_at(url, query, variables.clone(), key).await {
                Ok(answer) => break answer,
                // The request was lost, or its response.
                Err(_) => {
                    self.repeated += 1;
                    self.turn += 1;
                }
            }
            assert!(started.elapsed() < Duration::from_secs(60), "neither instance responds");
        };
        self.answered.fetch_add(1, Ordering::Relaxed);
        self.longest = self.longest.max(started.elapsed());
        assert!(answer["errors"].is_null() && answer["data"].is_object(), "{answer}");
        answer
    }

    /// Writes and reads until it is told to stop. Returns the ids of its comments.
    async fn run(mut self, name: usize, movie: Value, stop: Arc<AtomicBool>) -> (Self, Vec<String>) {
        let mut ids = Vec::new();
        for number in 0.. {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            self.turn += 1;
            let text = format!("Комментарий {name}/{number}");
            let input = json!({ "it": { "subjectId": movie, "text": text } });
            let added = self.ask(ADD, input, Some(&format!("add-{name}-{number}"))).await;
            let comment = &added["data"]["addComment"]["comment"];
            assert_eq!(comment["text"], text, "{added}");
            ids.push(comment["id"].as_str().unwrap().to_owned());
            let input = json!({ "it": { "id": comment["id"], "text": format!("{text}!") } });
            let edited = self.ask(EDIT, input, Some(&format!("edit-{name}-{number}"))).await;
            assert_eq!(edited["data"]["editComment"]["comment"]["text"], format!("{text}!"), "{edited}");
            self.ask(PAGE, json!({}), None).await;
        }
        (self, ids)
    }
}

async fn ready(url: &str) {
    let ready = url.replace("/graphql", "/readyz");
    client::in_time(async {
        while !client::get(&ready).await.is_ok_and(|response| response.status() == 200) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_rolling_upgrade_under_load_is_invisible_to_clients() {
    let database = TestDatabase::seeded(Backend::Postgres).await;
    let addresses = [own_address().to_string(), own_address().to_string()];
    let limits = ["--mutations-per-user", "1000000", "--idempotency-keys-per-user", "1000000"];
    let args = [&["--database-url", &database.url], &CHEAP_PASSWORDS[..], &limits].concat();
    let mut instances = addresses.each_ref().map(|address| Some(Server::start_at(address, &args)));
    let urls = instances.each_ref().map(|instance| instance.as_ref().unwrap().url.clone());
    let movie = Asker::nobody(&urls[0]).ask("{ movies(first: 1) { nodes { id } } }", json!({})).await;
    let movie = movie["data"]["movies"]["nodes"][0]["id"].clone();
    let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut clients: Vec<JoinHandle<(Client, Vec<String>)>> = Vec::new();
    for name in 0..4 {
        let asker = Asker::sign_up(&urls[0], &format!("roller{name}")).await;
        let client = Client {
            asker,
            urls: urls.clone(),
            turn: name,
            answered: Arc::clone(&answered),
            repeated: 0,
            longest: Duration::ZERO,
        };
        clients.push(tokio::spawn(client.run(name, movie.clone(), Arc::clone(&stop))));
    }
    let under_load = async || {
        let before = answered.load(Ordering::Relaxed);
        client::until(|| answered.load(Ordering::Relaxed) > before + sized(60, 3_000)).await;
    };
    under_load().await;

    let db = database.connect().await;
    let steps = [STEPS, &[NEXT]].concat();
    let migration = Migration { steps: &steps, ..Migration::default() };
    assert_eq!(migration.up(&db, None).await.unwrap(), ["9999_next"]);
    // The next version writes at the same time as this one.
    let next = tokio::spawn({
        let (db, stop) = (database.connect().await, Arc::clone(&stop));
        async move {
            while !stop.load(Ordering::Relaxed) {
                let insert = "WITH added AS (INSERT INTO comments (comment, movie_id, remark)
                    VALUES ('Новая версия', 1, 'a') RETURNING id) INSERT INTO remarks SELECT id FROM added";
                db.execute_unprepared(insert).await.unwrap();
            }
        }
    });
    under_load().await;
    for (position, address) in addresses.iter().enumerate() {
        let mut old = instances[position].take().unwrap();
        if position == 0 {
            old.crash();
        } else {
            old.signal("TERM");
            assert!(old.wait(Duration::from_secs(60)).0.success());
        }
        under_load().await;
        instances[position] = Some(Server::start_at(address, &args));
        ready(&urls[position]).await;
        under_load().await;
    }
    stop.store(true, Ordering::Relaxed);
    next.await.unwrap();

    let (mut ids, mut repeated, mut longest) = (Vec::new(), 0, Duration::ZERO);
    for client in clients {
        let (client, own) = client.await.unwrap();
        ids.extend(own);
        repeated += client.repeated;
        longest = longest.max(client.longest);
    }
    let asked = answered.load(Ordering::Relaxed);
    println!("{asked} requests, {repeated} repeated at the other instance; the longest took {longest:?}");
    assert!(repeated > 0 && longest < Duration::from_secs(10), "{repeated} repeated, {longest:?}");
    let written = read_texts(&db, "SELECT comment FROM comments WHERE comment LIKE 'Комментарий %!'").await;
    assert_eq!(written.len(), ids.len(), "each comment must exist once");
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len());
}
