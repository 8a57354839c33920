//! Measures the cost of HTTP: axum routes that read a request and send prepared bytes.
//!
//! `bare-route FILE...` responds to `POST /<the file's name>` with the file's content as JSON.

use std::path::Path;

use anyhow::Context;
use axum::Router;
use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::routing::post;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut router = Router::new();
    for file in std::env::args().skip(1) {
        let response = Bytes::from(std::fs::read(&file).with_context(|| file.clone())?);
        let name = Path::new(&file).file_name().context("a file has a name")?.to_string_lossy();
        let send = async move |_request: Bytes| ([(CONTENT_TYPE, "application/json")], response.clone());
        router = router.route(&format!("/{name}"), post(send));
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on {}", listener.local_addr()?);
    axum::serve(listener, router).await?;
    Ok(())
}
