//! The response for a missing path. It lists the paths.

use axum::extract::Request;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use request::error::RequestError;

use super::accept::ResponseFormat;
use super::refusal::Refusal;
use super::respond;

/// Rejects an unknown path. `paths` are those to suggest.
pub(super) fn refuse(request: &Request, paths: &[&str]) -> Response {
    let path = request.uri().path();
    let shown: String = path.chars().take(PATH_SHOWN_MAX).collect();
    let message = match paths.iter().find(|known| is_near(path, known)) {
        Some(known) => format!("{shown:?} does not exist; did you mean {known}?"),
        None => format!("{shown:?} does not exist; the paths are {}", paths.join(", ")),
    };
    respond(StatusCode::NOT_FOUND, RequestError::new("NOT_FOUND", message))
}

/// Rejects a method that a path does not support.
pub(super) fn refuse_method(method: &Method) -> Response {
    let message = format!("{method} is not allowed here; use GET");
    respond(StatusCode::METHOD_NOT_ALLOWED, RequestError::new("BAD_USER_INPUT", message))
}

/// The number of characters of a path that the response repeats.
const PATH_SHOWN_MAX: usize = 80;

/// Whether only case, slashes or a prefix differ: `/GraphQL/`, `/api/graphql`.
fn is_near(path: &str, known: &str) -> bool {
    let last = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    !last.is_empty() && last.eq_ignore_ascii_case(known.trim_start_matches('/'))
}

fn respond(status: StatusCode, error: RequestError) -> Response {
    let refusal = Refusal::of(Some(status), vec![error]);
    respond::refuse(refusal, ResponseFormat::Json)
}

#[cfg(test)]
mod tests {
    use super::is_near;

    #[test]
    fn near_paths_are_recognised() {
        for path in ["/graphql/", "/GraphQL", "/api/graphql", "//graphql"] {
            assert!(is_near(path, "/graphql"), "{path}");
        }
        for path in ["/", "/graph", "/graphql/x", ""] {
            assert!(!is_near(path, "/graphql") && !is_near(path, "/"), "{path}");
        }
    }
}
