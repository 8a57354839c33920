//! A stand-in for Patroni's REST API: three members in the format of Patroni 4.1.5. `tests/cluster` uses a real one.

#![expect(clippy::expect_used, reason = "a test stops at an unexpected error")]

use std::sync::{Arc, Mutex};

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// The reported state of each replica, which tests change.
#[derive(Clone, Copy, Debug)]
pub struct Replica {
    pub received: u64,
    pub replayed: u64,
    pub answers: bool,
}

/// n1 leads, n2 and n3 follow.
#[derive(Clone)]
pub struct Patroni {
    pub address: String,
    replicas: Arc<Mutex<[Replica; 2]>>,
}

const LEADER_AT: u64 = 0x0300_0000;

impl Patroni {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = format!("http://{}", listener.local_addr().expect("it is bound"));
        let well = Replica { received: LEADER_AT, replayed: LEADER_AT, answers: true };
        let patroni = Self { address, replicas: Arc::new(Mutex::new([well; 2])) };
        let router = Router::new()
            .route("/cluster", get(cluster))
            .route("/{node}/patroni", get(node))
            .with_state(patroni.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        patroni
    }

    /// Changes the reported state of n2 (0) or n3 (1).
    pub fn change(&self, replica: usize, change: impl FnOnce(&mut Replica)) {
        change(&mut self.replicas.lock().expect("no test panics with it")[replica]);
    }

    fn replica(&self, replica: usize) -> Replica {
        self.replicas.lock().expect("no test panics with it")[replica]
    }
}

async fn cluster(State(patroni): State<Patroni>) -> Json<Value> {
    let member = |name: &str, role: &str, state: &str| {
        json!({
            "name": name, "role": role, "state": state, "api_url": format!("{}/{name}/patroni", patroni.address),
            "host": format!("127.0.0.1{}", &name[1..]), "port": 5432, "timeline": 7,
        })
    };
    let replica = |name: &str| {
        let mut member = member(name, "quorum_standby", "streaming");
        let lags = json!({
            "receive_lag": 0, "receive_lsn": "0/3000000", "replay_lag": "unknown", "replay_lsn": "unknown",
            "lag": 0, "lsn": "0/3000000",
        });
        member.as_object_mut().expect("it is one").extend(lags.as_object().expect("it is one").clone());
        member
    };
    let members = [member("n1", "leader", "running"), replica("n2"), replica("n3")];
    Json(json!({ "members": members, "scope": "main" }))
}

async fn node(State(patroni): State<Patroni>, Path(name): Path<String>) -> Result<Json<Value>, StatusCode> {
    let about = json!({ "version": "4.1.5", "scope": "main", "name": name });
    if name == "n1" {
        return Ok(Json(json!({
            "state": "running", "role": "primary", "server_version": 150_020, "timeline": 7, "patroni": about,
            "xlog": { "location": LEADER_AT }, "database_system_identifier": "7513551497020290584",
        })));
    }
    let Replica { received, replayed, answers } = patroni.replica(usize::from(name == "n3"));
    if !answers {
        // Not JSON, as from another program.
        return Err(StatusCode::BAD_GATEWAY);
    }
    Ok(Json(json!({
        "state": "running", "role": "replica", "server_version": 150_020, "timeline": 7, "patroni": about,
        "replication_state": "streaming", "quorum_standby": true,
        "xlog": {
            "received_location": received, "replayed_location": replayed,
            "replayed_timestamp": "2026-11-29 11:20:47.30465+00:00", "paused": false,
        },
    })))
}
