//! The schema changes under a running server, as when a new version is rolled out.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use async_graphql::futures_util::future::join_all;
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};

use crate::ask::{Asker, CHEAP_PASSWORDS};
use crate::honest::Honest;
use crate::process::Server;
use crate::support::database::{Backend, TestDatabase};
use crate::usage::sized;

/// Changes of a rolling upgrade while the previous version is running. Each part of a change is a separate
/// transaction.
const CHANGES: &[(&str, &[&str])] = &[
    (
        "a column is added",
        &["ALTER TABLE movies ADD COLUMN remark text", "ALTER TABLE sessions ADD COLUMN remark text"],
    ),
    (
        "an unused column is dropped",
        &["ALTER TABLE movies DROP COLUMN remark", "ALTER TABLE sessions DROP COLUMN remark"],
    ),
    (
        "types are widened",
        &[
            "ALTER TABLE movies ALTER COLUMN country TYPE varchar(200), ALTER COLUMN budget TYPE numeric(18, 2)",
            "ALTER TABLE movies ALTER COLUMN isbn TYPE text",
            "ALTER TABLE persons ALTER COLUMN country TYPE text, ALTER COLUMN bio TYPE varchar(100000)",
            "ALTER TABLE users ALTER COLUMN username TYPE varchar(100), ALTER COLUMN fio TYPE text",
            "ALTER TABLE person_position ALTER COLUMN title TYPE text",
        ],
    ),
    ("types are changed that mutations read", &["ALTER TABLE comments ALTER COLUMN created_at TYPE timestamptz(3)"]),
    ("types are changed that say who asks", &["ALTER TABLE sessions ALTER COLUMN seen_at TYPE timestamptz(3)"]),
    ("types are changed of roles", &["ALTER TABLE user_roles ALTER COLUMN role TYPE varchar(40)"]),
    (
        "types are changed of the feed",
        &[
            "ALTER TABLE comment_events ALTER COLUMN kind TYPE varchar(16)",
            "ALTER TABLE comment_feed ALTER COLUMN epoch TYPE varchar(40)",
        ],
    ),
    ("an index is renamed", &["ALTER INDEX movie_title_idx RENAME TO movies_by_title"]),
    (
        "indexes are built and dropped beside readers",
        &[
            "CREATE INDEX CONCURRENTLY movies_long_idx ON movies (duration, title)",
            "DROP INDEX CONCURRENTLY movies_long_idx",
            "DROP INDEX CONCURRENTLY movies_by_title",
            "CREATE INDEX movie_title_idx ON movies (title)",
            "REINDEX TABLE CONCURRENTLY comments",
        ],
    ),
    (
        "constraints come and go",
        &[
            "ALTER TABLE movies ADD CONSTRAINT movies_short CHECK (duration < 100000) NOT VALID",
            "ALTER TABLE movies VALIDATE CONSTRAINT movies_short",
            "ALTER TABLE movies DROP CONSTRAINT movies_short",
            "ALTER TABLE comments DROP CONSTRAINT comments_user_id_fkey, ADD CONSTRAINT comments_user_id_fkey \
             FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE SET NULL",
            "ALTER TABLE movies ALTER COLUMN country SET DEFAULT 'СССР', ALTER COLUMN subject SET STATISTICS 50",
        ],
    ),
    (
        "functions and triggers are replaced",
        &[
            "DO $$ BEGIN EXECUTE pg_get_functiondef('comment_events_tell_added'::regproc); END $$",
            "ALTER FUNCTION comment_events_tell_added COST 200",
            "DO $$ BEGIN EXECUTE pg_get_functiondef('fold_text'::regproc); END $$",
            "DO $$ DECLARE made text := pg_get_triggerdef(oid) FROM pg_trigger WHERE tgname = 'comments_tell_added';
             BEGIN DROP TRIGGER comments_tell_added ON comments; EXECUTE made; END $$",
        ],
    ),
    (
        "a table is made anew",
        &["CREATE TABLE user_roles_new (LIKE user_roles INCLUDING ALL);
           INSERT INTO user_roles_new SELECT * FROM user_roles;
           DROP TABLE user_roles;
           ALTER TABLE user_roles_new RENAME TO user_roles"],
    ),
    (
        "a table becomes a view of another",
        &[
            "ALTER TABLE user_roles RENAME TO roles_of_users;
           CREATE VIEW user_roles AS SELECT * FROM roles_of_users",
            "CREATE OR REPLACE VIEW user_roles AS SELECT *, 1 AS remark FROM roles_of_users",
        ],
    ),
    ("tables are rewritten", &["VACUUM FULL movies", "CLUSTER persons USING persons_pkey", "ANALYZE"]),
];

const PAGE: &str = "{ movies(first: 20) { nodes { title isbn country budget tags staff(first: 3) { nodes {
    position { title } person { lastName country bio } } } comments(first: 3) { nodes { text author { username } } } } } }";
const VIEWER: &str = "{ viewer { username role } }";
const EDIT: &str = "mutation($id: ID!, $text: String!) { editComment(input: { id: $id, text: $text }) {
    comment { text } errors { message } } updateProfile(input: { bio: $text }) { user { bio } errors { message } } }";
const ADD: &str = "mutation($it: AddCommentInput!) { addComment(input: $it) { comment { id text author { username }
    createdAt } errors { message } } }";

/// The lines of an event stream that listens to new comments.
fn listen(server: &Server) -> Receiver<String> {
    let address = server.url.trim_start_matches("http://").trim_end_matches("/graphql");
    let mut stream = TcpStream::connect(address).unwrap();
    let body = json!({ "query": "subscription { commentAdded { comment { text author { username } } } }" }).to_string();
    let head = "POST /graphql HTTP/1.1\r\nhost: x\r\naccept: text/event-stream\r\ncontent-type: application/json\r\n";
    stream.write_all(format!("{head}content-length: {}\r\n\r\n{body}", body.len()).as_bytes()).unwrap();
    let (send, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if line.starts_with("data: {") && send.send(line).is_err() {
                break;
            }
        }
    });
    lines
}

fn check(answer: &Value, change: &str) {
    assert!(answer["errors"].is_null() && answer["data"].is_object(), "{change}: {answer}");
}

/// Every connection of the pool has its own prepared statements, which fail separately.
async fn ask_all(anna: &Asker, movie: &Value, text: &str) {
    let rounds = (0..sized(10, 60)).map(async |_| {
        check(&anna.ask(PAGE, json!({})).await, text);
        check(&anna.ask(VIEWER, json!({})).await, text);
    });
    let input = json!({ "it": { "subjectId": movie, "text": text } });
    let changes = (0..5).map(async |_| {
        let added = anna.ask(ADD, input.clone()).await;
        check(&added, text);
        let comment = &added["data"]["addComment"]["comment"];
        assert_eq!(comment["text"], text, "{added}");
        let edited = anna.ask(EDIT, json!({ "id": comment["id"], "text": format!("{text}!") })).await;
        check(&edited, text);
        assert_eq!(edited["data"]["updateProfile"]["user"]["bio"], format!("{text}!"), "{edited}");
    });
    tokio::join!(join_all(rounds), join_all(changes));
}

#[tokio::test(flavor = "multi_thread")]
async fn schema_changes_are_invisible_to_clients() {
    let database = TestDatabase::seeded(Backend::Postgres).await;
    let server = Server::start(&[&["--database-url", &database.url], &CHEAP_PASSWORDS[..]].concat());
    let anna = Asker::sign_up(&server.url, "anna").await;
    let movie = anna.ask("{ movies(first: 1) { nodes { id } } }", json!({})).await;
    let movie = &movie["data"]["movies"]["nodes"][0]["id"];
    let heard = listen(&server);
    let honest = [PAGE, "{ search(query: \"мир\", first: 5) { nodes { snippet } } }", "{ persons { totalCount } }"]
        .map(|query| Honest::queries(server.url.clone(), query));
    let upgrade = database.connect().await;
    for (change, parts) in [("nothing has changed", &[] as &[&str])].iter().chain(CHANGES) {
        for part in *parts {
            upgrade.execute_unprepared(part).await.unwrap();
        }
        ask_all(&anna, movie, change).await;
        for _ in 0..5 {
            let heard = heard.recv_timeout(Duration::from_secs(20)).unwrap_or_else(|error| panic!("{change}: {error}"));
            assert!(heard.contains(change) && heard.contains("anna"), "{change}: {heard}");
        }
    }
    for honest in honest {
        let felt = honest.stop().await;
        assert!(felt.failed.is_empty() && felt.longest < Duration::from_secs(5), "{felt:?}");
    }
}
