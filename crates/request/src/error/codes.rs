//! The codes of top-level errors, for the reference for clients.

/// A value of `extensions.code`.
#[derive(Clone, Copy, Debug)]
pub struct ErrorCode {
    /// The code.
    pub code: &'static str,
    /// The meaning, and what the client can do.
    pub meaning: &'static str,
    /// The error's other extensions.
    pub extensions: &'static str,
}

const fn code(code: &'static str, meaning: &'static str, extensions: &'static str) -> ErrorCode {
    ErrorCode { code, meaning, extensions }
}

/// All codes. Clients must branch on these, never on messages.
pub const ERROR_CODES: &[ErrorCode] = &[
    code("GRAPHQL_PARSE_FAILED", "The document is not valid GraphQL.", ""),
    code(
        "GRAPHQL_VALIDATION_FAILED",
        "The document does not fit the schema.",
        "`field`: the argument, if the error is about an argument",
    ),
    code(
        "BAD_USER_INPUT",
        "An argument, a variable or a parameter of the request is invalid.",
        "`field`: the argument, or the path of the variable; `limit` and `max` if the input exceeds a limit",
    ),
    code("UNAUTHENTICATED", "The request is anonymous, or the token is unknown, expired or revoked. Log in.", ""),
    code("FORBIDDEN", "The viewer is not allowed to do this.", ""),
    code("NOT_FOUND", "An object was deleted while the query ran. Run the query again.", ""),
    code(
        "CONFLICT",
        "An idempotency key was already used for another mutation or input, or a subscription does not fit the state of the feed.",
        "",
    ),
    code(
        "CURSOR_EXPIRED",
        "The cursor of a subscription has expired. Load the list again and subscribe after its cursor.",
        "",
    ),
    code(
        "RATE_LIMITED",
        "The client sends too many requests, or has too much open at the same time. Retry later.",
        "`limit`: its flag; `max`: its value; `retryAfterSeconds`",
    ),
    code("TOO_COMPLEX", "The document or the response exceeds a limit.", "`limit`: its flag; `max`: its value"),
    code(
        "TIMEOUT",
        "The request took too long. Request less data.",
        "`limit` and `max` if the request exceeded its own timeout; `outcome` for a mutation",
    ),
    code(
        "UNAVAILABLE",
        "The database cannot be reached or written, another transaction holds a lock, or the server is busy. Retry later.",
        "`retryAfterSeconds`; `outcome` for a mutation",
    ),
    code(
        "INTERNAL",
        "The server failed. Its log has the details.",
        "`requestId`: also in the log, and in the header `x-request-id`",
    ),
];

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::ERROR_CODES;

    /// Words in these files that look like codes.
    const OTHERS: &[&str] = &["NOTHING", "UNKNOWN"];

    #[test]
    fn every_code_that_a_client_can_get_is_listed_once() {
        let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let files =
            ["request/src/error.rs", "request/src/quota.rs", "http/src/refusal.rs", "http/src/engine_refusal.rs"];
        let mut found = BTreeSet::new();
        for file in files {
            let source = std::fs::read_to_string(crates.join(file)).unwrap();
            let is_code =
                |text: &&str| text.len() > 5 && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
            found.extend(source.split('"').filter(is_code).map(str::to_owned));
        }
        found.retain(|text| !OTHERS.contains(&text.as_str()));
        let listed: BTreeSet<_> = ERROR_CODES.iter().map(|code| code.code.to_owned()).collect();
        assert_eq!(found, listed);
        assert_eq!(listed.len(), ERROR_CODES.len());
    }
}
