//! The parameters of a GraphQL request over HTTP, from a body or a URL.
//!
//! Unknown parameters are skipped and never stored, as are unknown members of `extensions`.

use std::fmt;

use graphql::{Inputs, Request};
use percent_encoding::percent_decode;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::bounds::Bounds;
use super::refusal::Refusal;
use super::values::Reader;

/// The parameters of one operation, the last two as raw JSON. Null counts as missing.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Params<'a> {
    query: Option<String>,
    operation_name: Option<String>,
    #[serde(borrow)]
    variables: Option<&'a RawValue>,
    #[serde(borrow)]
    extensions: Option<&'a RawValue>,
}

/// The known members of `extensions`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Extensions<'a> {
    #[serde(borrow)]
    idempotency_key: Option<&'a RawValue>,
}

/// An operation to execute.
#[derive(Debug)]
pub(super) struct OperationParams {
    /// The document.
    pub(super) query: String,
    /// The name of one of its operations.
    pub(super) operation_name: Option<String>,
    /// Values by name, including those of undeclared variables.
    pub(super) variables: Inputs,
    /// The key in `extensions`, which WebSockets use.
    pub(super) idempotency_key: Option<KeyParam>,
}

impl OperationParams {
    /// The request to the engine.
    pub(super) fn request(&self) -> Request<'_> {
        let Self { query, operation_name, variables, .. } = self;
        Request { query, operation_name: operation_name.as_deref(), variables }
    }
}

/// An idempotency key as the client sent it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum KeyParam {
    /// A string.
    Text(String),
    /// Another value.
    NotText,
}

/// An operation of a batch, or why it cannot be read. The others are executed.
pub(super) type BatchEntry = Result<OperationParams, Refusal>;

/// The content of a body.
#[derive(Debug)]
pub(super) enum Operations {
    /// One operation.
    One(Box<OperationParams>),
    /// Several, in an array.
    Batch(Vec<BatchEntry>),
}

/// String parameters as raw JSON: most bodies are valid, and are read once.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawParams<'a> {
    #[serde(borrow)]
    query: Option<&'a RawValue>,
    #[serde(borrow)]
    operation_name: Option<&'a RawValue>,
}

impl<'a> Params<'a> {
    fn read(body: &'a str) -> Result<Self, Refusal> {
        let explain = |error| Refusal::malformed(explain(&error));
        serde_json::from_str(body).or_else(|error| {
            let RawParams { query, operation_name } = serde_json::from_str(body).map_err(explain)?;
            for (name, json) in [("query", query), ("operationName", operation_name)] {
                let Some(json) = json else { continue };
                if kind(json) != "a string" {
                    return Err(Refusal::parameter(name, &format!("must be a string, not {}", kind(json))));
                }
                serde_json::from_str::<String>(json.get()).map_err(|error| Refusal::unreadable(name, &error))?;
            }
            Err(explain(error))
        })
    }

    fn into_operation(self, reader: &mut Reader) -> Result<OperationParams, Refusal> {
        operation(self.query, self.operation_name, self.variables, self.extensions, reader)
    }
}

fn operation(
    query: Option<String>,
    operation_name: Option<String>,
    variables: Option<&RawValue>,
    extensions: Option<&RawValue>,
    reader: &mut Reader,
) -> Result<OperationParams, Refusal> {
    for (name, json) in [("variables", variables), ("extensions", extensions)] {
        if let Some(json) = json.filter(|json| !json.get().starts_with('{')) {
            return Err(Refusal::parameter(name, &format!("must be an object, not {}", kind(json))));
        }
    }
    let query = query.ok_or_else(|| Refusal::parameter("query", "is missing; it must be a GraphQL document"))?;
    let variables = variables.map(|json| reader.read(json)).transpose()?.unwrap_or_default();
    let idempotency_key = extensions.map(read_key).transpose()?.flatten();
    Ok(OperationParams { query, operation_name, variables, idempotency_key })
}

fn read_key(extensions: &RawValue) -> Result<Option<KeyParam>, Refusal> {
    let read = serde_json::from_str(extensions.get());
    let Extensions { idempotency_key } = read.map_err(|error| Refusal::unreadable("extensions", &error))?;
    let key = idempotency_key.map(|json| match kind(json) {
        "a string" => serde_json::from_str(json.get()).map(KeyParam::Text),
        _ => Ok(KeyParam::NotText),
    });
    key.transpose().map_err(|error| Refusal::unreadable("extensions.idempotencyKey", &error))
}

/// Reads a JSON body. Unknown members are ignored.
///
/// # Errors
/// The invalid parameter, and what is wrong with it.
pub(super) fn read_body(body: &[u8], bounds: Bounds) -> Result<Operations, Refusal> {
    let mut reader = Reader::new(bounds);
    let body = std::str::from_utf8(body).map_err(|_| Refusal::malformed("the body is not valid UTF-8"))?;
    match body.as_bytes().trim_ascii_start().first() {
        None => Err(Refusal::malformed(r#"the body is empty; send {"query": "..."}"#)),
        Some(b'[') => read_batch(body, bounds.batch, &mut reader).map(Operations::Batch),
        Some(b'{') => Params::read(body)?.into_operation(&mut reader).map(Box::new).map(Operations::One),
        Some(_) => Err(Refusal::malformed(r#"the body is not a JSON object; send {"query": "..."}"#)),
    }
}

fn read_batch(body: &str, batch_max: u64, reader: &mut Reader) -> Result<Vec<BatchEntry>, Refusal> {
    if batch_max == 0 {
        return Err(Refusal::batch("batches are disabled; send one operation per request", 0));
    }
    let mut deserializer = serde_json::Deserializer::from_str(body);
    let entries = Entries(batch_max).deserialize(&mut deserializer);
    let (entries, found) = entries
        .and_then(|entries| deserializer.end().map(|()| entries))
        .map_err(|error| Refusal::malformed(explain(&error)))?;
    match found {
        0 => return Err(Refusal::malformed("the batch is empty; send at least one operation")),
        found if found > batch_max => {
            let message = format!("the batch has {found} operations; the limit is {batch_max}");
            return Err(Refusal::batch(message, batch_max));
        }
        _ => {}
    }
    let mut read = |entry: &RawValue| match kind(entry) {
        "an object" => Params::read(entry.get())?.into_operation(reader),
        other => Err(Refusal::malformed(format!("each operation in a batch must be an object, not {other}"))),
    };
    // An invalid value is an error of its operation. A malformed body is rejected as a whole.
    let read_alone = |entry| match read(entry) {
        Err(refusal) if refusal.status.is_some() => Err(refusal),
        read => Ok(read),
    };
    entries.into_iter().map(read_alone).collect()
}

/// The first entries of an array, up to a limit, and the number of all.
struct Entries(u64);

impl<'de> DeserializeSeed<'de> for Entries {
    type Value = (Vec<&'de RawValue>, u64);

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Entries {
    type Value = (Vec<&'de RawValue>, u64);

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while (entries.len() as u64) < self.0 {
            match list.next_element()? {
                Some(entry) => entries.push(entry),
                None => break,
            }
        }
        let mut found = entries.len() as u64;
        while list.next_element::<IgnoredAny>()?.is_some() {
            found += 1;
        }
        Ok((entries, found))
    }
}

fn explain(error: &serde_json::Error) -> String {
    let place = format!("line {} column {}", error.line(), error.column());
    match error.classify() {
        serde_json::error::Category::Eof => format!("the body is not valid JSON: it ends early at {place}"),
        serde_json::error::Category::Data => {
            format!("a parameter occurs twice in the body; the second is at {place}")
        }
        _ => format!("the body is not valid JSON: the error is at {place}"),
    }
}

/// The type of a JSON value, which its first byte shows.
fn kind(json: &RawValue) -> &'static str {
    match json.get().as_bytes().first() {
        Some(b'n') => "null",
        Some(b't' | b'f') => "a boolean",
        Some(b'"') => "a string",
        Some(b'[') => "an array",
        Some(b'{') => "an object",
        _ => "a number",
    }
}

/// Reads the query part of a URL, in which `variables` and `extensions` are JSON.
///
/// # Errors
/// The invalid parameter, and what is wrong with it.
pub(super) fn read_url(query: &str, bounds: Bounds) -> Result<OperationParams, Refusal> {
    const NAMES: [&str; 4] = ["query", "operationName", "variables", "extensions"];
    let mut texts: [Option<String>; 4] = Default::default();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (Some(name), Some(value)) = (decode(name), decode(value)) else {
            return Err(Refusal::malformed("the URL is not valid UTF-8"));
        };
        let Some(at) = NAMES.iter().position(|known| *known == name) else { continue };
        if texts[at].replace(value).is_some() {
            return Err(Refusal::parameter(&name, "occurs twice in the URL"));
        }
    }
    let [query, operation_name, variables, extensions] = texts;
    // A form sends empty fields as empty strings.
    let operation_name = operation_name.filter(|name| !name.is_empty());
    let variables = read_json("variables", variables.as_deref())?;
    let extensions = read_json("extensions", extensions.as_deref())?;
    operation(query, operation_name, variables, extensions, &mut Reader::new(bounds))
}

fn read_json<'a>(name: &str, text: Option<&'a str>) -> Result<Option<&'a RawValue>, Refusal> {
    match text {
        None | Some("") => Ok(None),
        Some(text) => {
            serde_json::from_str(text).map_err(|_| Refusal::parameter(name, "is not valid JSON; encode an object"))
        }
    }
}

fn decode(text: &str) -> Option<String> {
    let spaced = text.replace('+', " ");
    percent_decode(spaced.as_bytes()).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}
