//! Media types: which one a response gets, and which request bodies are accepted.

use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use mediatype::{MediaType, MediaTypeList, Name, ReadParams, names};

use super::refusal::Refusal;

/// A media type of responses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ResponseFormat {
    /// `application/json`: every GraphQL response has status 200.
    Json,
    /// `application/graphql-response+json`: the status shows whether the operation was executed.
    GraphqlResponse,
}

const GRAPHQL_RESPONSE: Name<'_> = Name::new_unchecked("graphql-response");
const EVENT_STREAM: Name<'_> = Name::new_unchecked("event-stream");

impl ResponseFormat {
    /// The header's value.
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json; charset=utf-8",
            Self::GraphqlResponse => "application/graphql-response+json; charset=utf-8",
        }
    }

    fn is_named(self, range: &MediaType<'_>) -> bool {
        range.ty == names::APPLICATION
            && range.subty == if self == Self::Json { names::JSON } else { GRAPHQL_RESPONSE }
            && range.suffix == (self == Self::GraphqlResponse).then_some(names::JSON)
    }

    /// The client's preference for it, by the most specific range that matches.
    fn preference(self, ranges: &[(MediaType<'_>, f32)]) -> Option<Preference> {
        let specificity = |range: &MediaType<'_>| {
            let any = range.subty == names::_STAR;
            match () {
                () if self.is_named(range) => Some(2),
                () if any && range.ty == names::APPLICATION => Some(1),
                () if any && range.ty == names::_STAR => Some(0),
                () => None,
            }
        };
        let matching = ranges.iter().filter_map(|(range, weight)| Some((specificity(range)?, *weight)));
        let (specificity, weight) =
            matching.max_by(|one, other| one.0.cmp(&other.0).then(one.1.total_cmp(&other.1)))?;
        (weight > 0.0).then_some(Preference { weight, named: specificity == 2 })
    }
}

/// The media types that a client accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Acceptable {
    /// The media type of a response. `None` if the client only reads event streams.
    pub(super) format: Option<ResponseFormat>,
    /// Whether the client reads event streams.
    pub(super) events: bool,
}

struct Preference {
    weight: f32,
    named: bool,
}

/// The response's media type. `None` if the server offers nothing that `Accept` lists.
///
/// Event streams are for clients that name them: others would wait for the end. Without the header, and for wildcards,
/// it is `application/json`, which every client reads. If two types have equal weights, the one that was named wins,
/// then the newer one.
pub(super) fn negotiate(headers: &HeaderMap) -> Option<Acceptable> {
    let values: Vec<_> = headers.get_all(ACCEPT).iter().map(|value| value.to_str().unwrap_or_default()).collect();
    let accept = values.join(",");
    if accept.trim().is_empty() {
        return Some(Acceptable { format: Some(ResponseFormat::Json), events: false });
    }
    let ranges: Vec<_> = MediaTypeList::new(&accept).filter_map(Result::ok).filter_map(read_range).collect();
    let events = ranges.iter().any(|(range, weight)| *weight > 0.0 && is_events(range));
    let format = choose(&ranges);
    (events || format.is_some()).then_some(Acceptable { format, events })
}

fn is_events(range: &MediaType<'_>) -> bool {
    range.ty == names::TEXT && range.subty == EVENT_STREAM && range.suffix.is_none()
}

fn choose(ranges: &[(MediaType<'_>, f32)]) -> Option<ResponseFormat> {
    let json = ResponseFormat::Json.preference(ranges);
    let graphql = ResponseFormat::GraphqlResponse.preference(ranges);
    match (json, graphql) {
        (None, None) => None,
        (Some(_), None) => Some(ResponseFormat::Json),
        (None, Some(_)) => Some(ResponseFormat::GraphqlResponse),
        (Some(json), Some(graphql)) => {
            let newer = graphql.weight.total_cmp(&json.weight).then(graphql.named.cmp(&json.named));
            Some(if newer.is_gt() || (newer.is_eq() && graphql.named) {
                ResponseFormat::GraphqlResponse
            } else {
                ResponseFormat::Json
            })
        }
    }
}

/// A range with its weight. `None` if it requires an encoding that we do not offer.
fn read_range(range: MediaType<'_>) -> Option<(MediaType<'_>, f32)> {
    if !is_utf8(&range) {
        return None;
    }
    let weight = match range.get_param(names::Q) {
        Some(weight) => weight.as_str().parse().ok().filter(|weight| (0.0..=1.0).contains(weight))?,
        None => 1.0,
    };
    Some((range, weight))
}

fn is_utf8(range: &MediaType<'_>) -> bool {
    range.get_param(names::CHARSET).is_none_or(|charset| {
        let charset = charset.unquoted_str();
        charset.eq_ignore_ascii_case("utf-8") || charset.eq_ignore_ascii_case("utf8")
    })
}

/// Accepts only JSON in UTF-8. A browser sends forms and plain text to other origins without a preflight; these are
/// rejected.
///
/// # Errors
/// Status 415, with what to send instead.
pub(super) fn check_body_type(headers: &HeaderMap) -> Result<(), Refusal> {
    let Some(content_type) = headers.get(CONTENT_TYPE) else {
        return Err(Refusal::media_type("the request has no Content-Type"));
    };
    let parsed = content_type.to_str().ok().and_then(|text| MediaType::parse(text).ok());
    match parsed {
        Some(found) if !ResponseFormat::Json.is_named(&found) => {
            Err(Refusal::media_type(&format!("Content-Type {} is not supported", found.essence())))
        }
        Some(found) if !is_utf8(&found) => Err(Refusal::media_type("only UTF-8 is supported")),
        Some(_) => Ok(()),
        None => Err(Refusal::media_type("Content-Type is not a valid media type")),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
mod tests {
    use super::*;

    #[test]
    fn accept_chooses_by_weight_then_by_name() {
        let (json, newer) = (Some(ResponseFormat::Json), Some(ResponseFormat::GraphqlResponse));
        for (accept, chosen) in [
            ("", json),
            ("*/*", json),
            ("application/*", json),
            ("application/json", json),
            ("application/graphql-response+json", newer),
            ("application/graphql-response+json; charset=utf-8, application/json", newer),
            ("application/json, application/graphql-response+json", newer),
            ("application/json, application/graphql-response+json;q=0.9", json),
            ("application/json;q=0.8, application/graphql-response+json;q=0.9", newer),
            ("*/*, application/graphql-response+json", newer),
            ("*/*, application/json;q=0.5", newer),
            ("*/*, application/json;q=0", newer),
            ("*/*;q=0.1, application/graphql-response+json;q=0", json),
            ("text/html, */*;q=0.1", json),
            ("APPLICATION/JSON", json),
            ("not a type, application/json", json),
            ("application/json;q=2, application/graphql-response+json", newer),
            ("application/json; charset=\"UTF-8\"", json),
            ("application/json; charset=iso-8859-1", None),
            ("application/json;q=0", None),
            ("*/*;q=0", None),
            ("text/html", None),
            ("application/xml, text/*", None),
            ("application/graphql+json", None),
            ("not a type", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, accept.parse().unwrap());
            let wanted = chosen.map(|format| Acceptable { format: Some(format), events: false });
            assert_eq!(negotiate(&headers), wanted, "{accept}");
        }
        let json_only = Some(Acceptable { format: json, events: false });
        assert_eq!(negotiate(&HeaderMap::new()), json_only);
        let mut headers = HeaderMap::new();
        for part in ["text/html", "application/graphql-response+json"] {
            headers.append(ACCEPT, part.parse().unwrap());
        }
        let wanted = Some(Acceptable { format: newer, events: false });
        assert_eq!(negotiate(&headers), wanted, "the header may come in parts");
    }

    #[test]
    fn event_streams_are_for_clients_that_name_them() {
        let json = Some(ResponseFormat::Json);
        for (accept, wanted) in [
            ("text/event-stream", Some(Acceptable { format: None, events: true })),
            ("text/event-stream, application/json", Some(Acceptable { format: json, events: true })),
            ("text/event-stream, */*;q=0.1", Some(Acceptable { format: json, events: true })),
            ("text/event-stream;q=0, application/json", Some(Acceptable { format: json, events: false })),
            ("text/event-stream;charset=utf-16", None),
            ("text/*", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, accept.parse().unwrap());
            assert_eq!(negotiate(&headers), wanted, "{accept}");
        }
    }

    #[test]
    fn bodies_are_json_in_utf8() {
        let check = |content_type: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, content_type.parse().unwrap());
            check_body_type(&headers).is_ok()
        };
        for read in ["application/json", "application/json; charset=utf-8", "Application/JSON;charset=\"UTF-8\""] {
            assert!(check(read), "{read}");
        }
        for refused in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "application/json; charset=utf-16",
            "application/graphql",
            "application/graphql-response+json",
            "text/plain, application/json",
            "",
            "json",
        ] {
            assert!(!check(refused), "{refused}");
        }
        assert!(check_body_type(&HeaderMap::new()).is_err());
    }
}
