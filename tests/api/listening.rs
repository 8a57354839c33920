//! Helpers for listeners: a server with a movie, comments, and a user with a session.

use entity::sessions;
use sea_orm::{ActiveValue::Set, ConnectionTrait, EntityTrait};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::app::TestApp;
use crate::socket::Socket;
use crate::support::database::{Backend, TestDatabase};

pub const ADDED: &str = "subscription ($subject: ID, $after: String) {
    commentAdded(subjectId: $subject, after: $after) { cursor comment { text } } }";

pub async fn start(backend: Backend, args: &[&str]) -> TestApp {
    let app = TestApp::start(TestDatabase::migrated(backend).await, args).await;
    let db = app.sql().await;
    db.execute_unprepared("INSERT INTO movies (title, duration) VALUES ('Сталкер', 162)").await.unwrap();
    app
}

pub async fn say(app: &TestApp, text: &str) {
    let sql = format!("INSERT INTO comments (comment, movie_id) VALUES ('{text}', 1)");
    app.sql().await.execute_unprepared(&sql).await.unwrap();
}

pub async fn cursor(app: &TestApp) -> Value {
    app.data("{ commentCursor }", json!({})).await["commentCursor"].clone()
}

/// A field that only its viewer sees.
pub const PERSONAL: &str = "subscription { commentAdded { comment { text author { email } } } }";

pub async fn listen_signed_in(app: &TestApp, token: &str) -> Socket {
    let mut socket = Socket::sign_in(&app.origin, token).await;
    socket.subscribe("1", PERSONAL, json!({})).await;
    socket
}

/// Creates a user with a session, and returns the token.
pub async fn begin_session(app: &TestApp) -> String {
    let (token, db) = ("t".repeat(43), app.sql().await);
    let user = "INSERT INTO users (username, email, password, fio, birthday)
        VALUES ('olga', 'olga@mail.example', '!', 'Ольга Петрова', '1991-02-03')";
    db.execute_unprepared(user).await.unwrap();
    let now = kinoteka::clock::now().fixed_offset();
    let session = sessions::ActiveModel {
        user_id: Set(1),
        token_hash: Set(Sha256::digest(&token).to_vec()),
        created_at: Set(now),
        seen_at: Set(now),
        expires_at: Set(now + chrono::TimeDelta::hours(1)),
        ..Default::default()
    };
    sessions::Entity::insert(session).exec(&db).await.unwrap();
    token
}
