//! Clients of a server behind nginx, with the configuration of `docs/transport.md`.

use request::subscribe::EVENT_ID_BYTES_MAX;
use reqwest::StatusCode;
use reqwest::header::ACCEPT;
use serde_json::json;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::app::TestApp;
use crate::events::Events;
use crate::listening::{ADDED, cursor, say, start};
use crate::nginx::Nginx;
use crate::socket::Socket;
use crate::support::client;
use crate::support::database::Backend;
use crate::uploads;

/// A server behind nginx, with these changes to the configuration.
async fn start_behind(args: &[&str], changes: &[(&str, &str)]) -> (TestApp, Nginx) {
    let app = start(Backend::Sqlite, &[&["--trusted-proxies", "127.0.0.1/32"], args].concat()).await;
    let nginx = Nginx::documented(app.origin.trim_start_matches("http://"), changes);
    (app, nginx)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_to_an_unread_body_passes_nginx() {
    let (_app, nginx) = start_behind(&[], &[]).await;
    for (status, request) in uploads::unread() {
        uploads::expect(&nginx.url, status, &request).await;
    }
    let log = nginx.log();
    assert!(!log.contains("reset by peer") && !log.contains("Broken pipe"), "{log}");
}

/// nginx forwards a body while it arrives.
#[tokio::test(flavor = "multi_thread")]
async fn a_response_to_an_unread_body_passes_nginx_without_buffering() {
    let changes = [("proxy_http_version 1.1;", "proxy_http_version 1.1; proxy_request_buffering off;")];
    let (_app, nginx) = start_behind(&[], &changes).await;
    for (status, request) in uploads::unread() {
        uploads::expect(&nginx.url, status, &request).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sockets_and_streams_pass_nginx() {
    let (app, nginx) = start_behind(&[], &[]).await;
    let after = json!({ "after": cursor(&app).await });
    // With the origin of a page on this host.
    let request = Socket::proper_request(&nginx.url).with_header("origin", &nginx.url);
    let mut socket = Socket::try_open(request).await.unwrap();
    socket.init(json!({})).await;
    socket.subscribe("1", ADDED, after.clone()).await;
    let body = json!({ "query": ADDED, "variables": after });
    let mut events = Events::open(app.client.post(format!("{}/graphql", nginx.url)).json(&body)).await;
    for text in ["раз", "два"] {
        say(&app, text).await;
        assert_eq!(socket.hear_comment().await.0, text);
        assert_eq!(events.comment().await.1, text);
    }
    let foreign = Socket::proper_request(&nginx.url).with_header("origin", "https://evil.example");
    assert!(matches!(Socket::try_open(foreign).await, Err(Error::Http(answer)) if answer.status() == 403));
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_sockets_and_streams_stay_open() {
    let (app, nginx) = start_behind(&["--keep-alive-ms", "500"], &[("60s", "2s")]).await;
    let mut socket = Socket::begin(&nginx.url).await;
    let body = json!({ "query": ADDED });
    let mut events = Events::open(app.client.post(format!("{}/graphql", nginx.url)).json(&body)).await;
    for _ in 0..8 {
        assert!(matches!(socket.next().await, Message::Ping(_)));
        assert_eq!(events.block().await.as_deref(), Some(":"));
    }
}

/// The cursor needs larger buffers than nginx's defaults.
#[tokio::test(flavor = "multi_thread")]
async fn the_longest_cursor_passes_nginx() {
    let (app, nginx) = start_behind(&[], &[]).await;
    let request = app.client.post(format!("{}/graphql", nginx.url)).json(&json!({ "query": ADDED }));
    let longest = request.header("last-event-id", "x".repeat(EVENT_ID_BYTES_MAX));
    let mistake = Events::open(longest).await.rest().await;
    assert_eq!(mistake[0].1["errors"][0]["extensions"]["code"], "BAD_USER_INPUT", "{mistake:?}");
}

/// Each client has its own limits, and no header gives it those of another.
#[tokio::test(flavor = "multi_thread")]
async fn clients_behind_nginx_are_distinguished() {
    let (_app, nginx) = start_behind(&["--limit-sockets-per-client", "1"], &[]).await;
    let body = json!({ "query": ADDED });
    let request = |client: u8| {
        let client = client::builder().local_address(Some([127, 0, 0, client].into())).build().unwrap();
        client.post(format!("{}/graphql", nginx.url)).json(&body)
    };
    let _held = (Events::open(request(2)).await, Events::open(request(3)).await);
    let refused =
        request(2).header("x-forwarded-for", "203.0.113.9").header(ACCEPT, "text/event-stream").send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
}
