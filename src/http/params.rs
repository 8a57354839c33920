//! What a request says: the parameters of GraphQL over HTTP, from a body or from a URL.

use async_graphql::{Request, Variables};
use percent_encoding::percent_decode;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::refusal::Refusal;

/// The parameters of one operation.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Params {
    query: Option<String>,
    operation_name: Option<String>,
    variables: Option<Variables>,
    extensions: Option<async_graphql::Extensions>,
}

/// What a body may hold.
#[derive(Debug)]
pub(super) enum Asked {
    /// One operation.
    One(Box<Request>),
    /// Several, in an array.
    Batch(Vec<Request>),
}

impl Params {
    fn into_request(self) -> Result<Request, Refusal> {
        let query =
            self.query.ok_or_else(|| Refusal::parameter("query", "is missing; put a GraphQL document there"))?;
        let mut request = Request::new(query).variables(self.variables.unwrap_or_default());
        request.operation_name = self.operation_name;
        request.extensions = self.extensions.unwrap_or_default();
        Ok(request)
    }
}

/// Reads a JSON body. Members that are no parameters are ignored.
///
/// # Errors
/// What is wrong with which parameter.
pub(super) fn read_body(body: &[u8], batch_max: u64) -> Result<Asked, Refusal> {
    match body.trim_ascii_start().first() {
        None => Err(Refusal::malformed(r#"the body is empty; send {"query": "..."}"#)),
        Some(b'[') => read_batch(body, batch_max).map(Asked::Batch),
        Some(b'{') => {
            let params: Params = serde_json::from_slice(body).map_err(|error| diagnose(body, &error))?;
            params.into_request().map(Box::new).map(Asked::One)
        }
        Some(_) => Err(Refusal::malformed(r#"the body is no JSON object; send {"query": "..."}"#)),
    }
}

fn read_batch(body: &[u8], batch_max: u64) -> Result<Vec<Request>, Refusal> {
    if batch_max == 0 {
        return Err(Refusal::batch("batches are not executed here; send one operation a request", 0));
    }
    let entries: Vec<Value> = serde_json::from_slice(body).map_err(|error| Refusal::malformed(explain(&error)))?;
    match entries.len() as u64 {
        0 => return Err(Refusal::malformed("the batch is empty; send at least one operation")),
        found if found > batch_max => {
            let message = format!("the batch has {found} operations; {batch_max} are allowed");
            return Err(Refusal::batch(message, batch_max));
        }
        _ => {}
    }
    let read = |entry: Value| match entry {
        Value::Object(members) => {
            check_types(&members)?;
            let params: Params =
                serde_json::from_value(Value::Object(members)).map_err(|error| Refusal::malformed(explain(&error)))?;
            params.into_request()
        }
        other => Err(Refusal::malformed(format!("an operation of a batch is an object, not {}", kind(&other)))),
    };
    entries.into_iter().map(read).collect()
}

/// Finds out which parameter it is: read a second time, since most bodies are right.
fn diagnose(body: &[u8], error: &serde_json::Error) -> Refusal {
    match serde_json::from_slice::<Map<String, Value>>(body).map(|members| check_types(&members)) {
        Ok(Err(refusal)) => refusal,
        Ok(Ok(())) => Refusal::malformed(explain(error)),
        Err(error) => Refusal::malformed(explain(&error)),
    }
}

fn explain(error: &serde_json::Error) -> String {
    let place = format!("line {} column {}", error.line(), error.column());
    match error.classify() {
        serde_json::error::Category::Eof => format!("the body is no JSON: it ends at {place} in the middle"),
        serde_json::error::Category::Data => {
            format!("the body is unusable at {place}: a parameter stands there twice, or a value is out of range")
        }
        _ => format!("the body is no JSON, which shows at {place}"),
    }
}

fn check_types(members: &Map<String, Value>) -> Result<(), Refusal> {
    for name in ["query", "operationName"] {
        match members.get(name) {
            None | Some(Value::Null | Value::String(_)) => {}
            Some(other) => return Err(Refusal::parameter(name, &format!("must be a string, not {}", kind(other)))),
        }
    }
    for name in ["variables", "extensions"] {
        match members.get(name) {
            None | Some(Value::Null | Value::Object(_)) => {}
            Some(other) => return Err(Refusal::parameter(name, &format!("must be an object, not {}", kind(other)))),
        }
    }
    Ok(())
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// Reads the query part of a URL, in which `variables` and `extensions` are JSON.
///
/// # Errors
/// What is wrong with which parameter.
pub(super) fn read_url(query: &str) -> Result<Request, Refusal> {
    let mut members = Map::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (Some(name), Some(value)) = (decode(name), decode(value)) else {
            return Err(Refusal::malformed("the URL is not encoded in UTF-8"));
        };
        let value = match name.as_str() {
            "query" | "operationName" => Value::String(value),
            "variables" | "extensions" if value.is_empty() => Value::Null,
            "variables" | "extensions" => {
                serde_json::from_str(&value).map_err(|_| Refusal::parameter(&name, "is no JSON; encode an object"))?
            }
            _ => continue,
        };
        if members.contains_key(&name) {
            return Err(Refusal::parameter(&name, "stands in the URL twice"));
        }
        members.insert(name, value);
    }
    check_types(&members)?;
    let params: Params =
        serde_json::from_value(Value::Object(members)).map_err(|error| Refusal::malformed(explain(&error)))?;
    params.into_request()
}

fn decode(text: &str) -> Option<String> {
    let spaced = text.replace('+', " ");
    percent_decode(spaced.as_bytes()).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}
