//! The web pages: GraphiQL at `/`, new comments at `/live`, and for admins `/status` with the pages that it links to at
//! `/monitoring`. They are built from `web/`, compressed and embedded. The plain page at `/plain` replaces `/` if
//! `web/` was not built. `/site.json` lists the pages, and the demo accounts.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read};

use axum::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH,
    REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use flate2::read::GzDecoder;
use serde::Serialize;

/// A file's path and content. `build.rs` has compressed it with gzip.
type Source = (&'static str, &'static [u8]);

/// The files of `web/dist`; none if it was not built.
const BUILT: &[Source] = include!(concat!(env!("OUT_DIR"), "/built.rs"));

/// The plain page, which needs no build.
const PLAIN: &[Source] = include!(concat!(env!("OUT_DIR"), "/plain.rs"));

/// The content security policy of the built pages.
///
/// - Monaco, GraphiQL's editor, positions every line of text with `style` attributes and adds its themes as `<style>`
///   elements: hence `'unsafe-inline'`, only for styles.
/// - GraphiQL's style sheet contains its fonts, and Monaco's its squiggles, as `data:` URLs.
/// - The editor checks documents in workers, which are files of this server.
const BUILT_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
     font-src 'self' data:; img-src 'self' data:; connect-src 'self'; worker-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The policy of the plain page. `data:` is for its empty icon.
const PLAIN_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The accounts of a demo. Everyone may use them.
#[derive(Clone, Debug, Serialize)]
pub struct DemoLogin {
    /// Their usernames.
    pub usernames: Vec<String>,
    /// The password of all of them.
    pub password: String,
}

/// What pages cannot know at build time.
#[derive(Clone, Debug, Serialize)]
struct Site {
    /// The routes of the pages. `/` is included only if it is GraphiQL.
    pages: Vec<String>,
    demo: Option<DemoLogin>,
}

impl Site {
    fn new(built: &[Source], demo: Option<&DemoLogin>, is_served: impl Fn(&str) -> bool) -> Self {
        let files = built.iter().chain(PLAIN).filter(|(path, _)| path.ends_with(".html"));
        let pages = files.map(|(path, _)| route(path)).filter(|route| is_served(route)).collect();
        Self { pages, demo: demo.cloned() }
    }
}

/// A file to serve.
#[derive(Clone, Debug)]
struct Page {
    route: String,
    content: &'static [u8],
    content_type: &'static str,
    policy: &'static str,
    cache: &'static str,
    /// Weak, because one tag serves all encodings of the content.
    etag: String,
}

/// The routes of the enabled pages: those of the IDE and those of the status.
pub(super) fn routes(ide: bool, status: bool, demo: Option<&DemoLogin>) -> Router {
    let is_served = move |route: &str| match route {
        "/status" | "/monitoring" => status,
        route => ide || status && route.starts_with("/assets/"),
    };
    let site = Site::new(BUILT, demo, is_served);
    let router = Router::new().route("/site.json", get(async move || ([(CACHE_CONTROL, "no-store")], Json(site))));
    let served = pages(BUILT).into_iter().filter(|page| is_served(&page.route));
    served.fold(router, |router, page| {
        let route = page.route.clone();
        router.route(&route, get(async move |headers: HeaderMap| respond(&page, &headers)))
    })
}

/// Whether there is a page at this path.
pub(super) fn has(path: &str) -> bool {
    pages(BUILT).iter().any(|page| page.route == path)
}

fn pages(built: &[Source]) -> Vec<Page> {
    let mut pages: Vec<_> = built.iter().map(|source| Page::new(*source, BUILT_POLICY)).collect();
    pages.extend(PLAIN.iter().map(|source| Page::new(*source, PLAIN_POLICY)));
    if !pages.iter().any(|page| page.route == "/") {
        let plain = pages.iter().find(|page| page.route == "/plain").cloned();
        pages.extend(plain.map(|plain| Page { route: "/".to_owned(), ..plain }));
    }
    pages
}

impl Page {
    fn new((path, content): Source, policy: &'static str) -> Self {
        // Vite adds a hash of the content to file names in this folder.
        let hashed = path.starts_with("assets/");
        let tag = if hashed { path.to_owned() } else { format!("{:016x}", hash(content)) };
        Self {
            route: route(path),
            content,
            content_type: content_type(path),
            policy,
            cache: if hashed { "public, max-age=31536000, immutable" } else { "no-cache" },
            etag: format!("W/\"{tag}\""),
        }
    }
}

/// The route of a file.
fn route(path: &str) -> String {
    match path.strip_suffix(".html") {
        Some("index") => "/".to_owned(),
        Some(page) => format!("/{page}"),
        None => format!("/{path}"),
    }
}

fn respond(page: &Page, request: &HeaderMap) -> Response {
    let headers = [
        (CONTENT_TYPE, page.content_type),
        (CACHE_CONTROL, page.cache),
        (ETAG, &page.etag),
        // Workers obey the policy in the response with their own file, so every file has one.
        (CONTENT_SECURITY_POLICY, page.policy),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (VARY, "accept-encoding"),
    ];
    let known = request.get_all(IF_NONE_MATCH).iter().filter_map(|tags| tags.to_str().ok());
    if known.flat_map(|tags| tags.split(',')).any(|tag| matches!(tag.trim(), tag if tag == page.etag || tag == "*")) {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    if accepts_gzip(request) {
        return (headers, [(CONTENT_ENCODING, "gzip")], page.content).into_response();
    }
    match decompress(page.content) {
        Ok(content) => (headers, content).into_response(),
        Err(error) => {
            tracing::error!(%error, page = page.route, "cannot decompress a page");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

fn accepts_gzip(request: &HeaderMap) -> bool {
    let values = request.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, "q=1"));
        let refused = weight.trim().strip_prefix("q=").is_some_and(|weight| weight.parse() == Ok(0.0));
        name.trim().eq_ignore_ascii_case("gzip") && !refused
    })
}

fn decompress(content: &[u8]) -> io::Result<Vec<u8>> {
    let mut whole = Vec::new();
    GzDecoder::new(content).read_to_end(&mut whole)?;
    Ok(whole)
}

fn hash(content: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    hasher.finish()
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("json") => "application/json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ttf") => "font/ttf",
        Some("woff2") => "font/woff2",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
mod tests {
    use super::{BUILT, DemoLogin, Site, pages};

    const DIST: &[super::Source] = &[
        ("index.html", b"<html>"),
        ("other.html", b"<html>"),
        ("assets/index-a1b2.js", b"1"),
        ("assets/font-c3d4.ttf", b"2"),
    ];

    fn table(built: &[super::Source]) -> Vec<String> {
        let line = |page: &super::Page| format!("{} {} {}", page.route, page.content_type, page.cache);
        let mut lines: Vec<_> = pages(built).iter().map(line).collect();
        lines.sort();
        lines
    }

    #[test]
    fn built_files_are_served_by_their_names() {
        let immutable = "public, max-age=31536000, immutable";
        assert_eq!(
            table(DIST),
            [
                "/ text/html; charset=utf-8 no-cache".to_owned(),
                format!("/assets/font-c3d4.ttf font/ttf {immutable}"),
                format!("/assets/index-a1b2.js text/javascript; charset=utf-8 {immutable}"),
                "/other text/html; charset=utf-8 no-cache".to_owned(),
                "/plain text/html; charset=utf-8 no-cache".to_owned(),
                "/plain.css text/css; charset=utf-8 no-cache".to_owned(),
                "/plain.js text/javascript; charset=utf-8 no-cache".to_owned(),
            ]
        );
        assert!(table(BUILT).iter().any(|line| line.starts_with("/ text/html")));
    }

    #[test]
    fn plain_page_replaces_unbuilt_pages() {
        let pages = pages(&[]);
        let at = |route| pages.iter().find(|page| page.route == route).map(|page| (page.content, page.policy));
        assert!(at("/").is_some());
        assert_eq!(at("/"), at("/plain"));
    }

    #[test]
    fn site_lists_the_existing_pages() {
        let json = |built, demo| serde_json::to_string(&Site::new(built, demo, |_| true));
        assert_eq!(json(DIST, None).unwrap(), r#"{"pages":["/","/other","/plain"],"demo":null}"#);
        let demo = DemoLogin { usernames: vec!["member".to_owned()], password: "known".to_owned() };
        let expected = r#"{"pages":["/plain"],"demo":{"usernames":["member"],"password":"known"}}"#;
        assert_eq!(json(&[], Some(&demo)).unwrap(), expected);
    }

    #[test]
    fn tags_change_with_the_content() {
        let tag = |built| pages(built)[0].etag.clone();
        assert_ne!(tag(&[("index.html", b"1")]), tag(&[("index.html", b"2")]));
        assert_eq!(tag(&[("assets/a-1.js", b"1")]), "W/\"assets/a-1.js\"");
    }
}
