//! The messages of the sub-protocol `graphql-transport-ws`: parsed from clients, written to them.

use axum::body::Bytes;
use request::error::RequestError;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use crate::bounds::Bounds;
use crate::params::{self, OperationParams, Operations};
use crate::refusal::Refusal;
use crate::respond::PIECE_BYTES;

/// The maximum length of an operation's id in bytes: each of its messages repeats it.
pub(super) const ID_LENGTH_MAX: usize = 128;

/// A message from a client.
pub(super) enum ClientMessage<'a> {
    Init(Init<'a>),
    Ping(Option<&'a RawValue>),
    Pong,
    /// Its operation may exceed a limit or have invalid values.
    Subscribe {
        id: String,
        operation: Result<Box<OperationParams>, Refusal>,
    },
    Complete {
        id: String,
    },
}

/// The payload of `connection_init`. Other members are skipped.
#[derive(Default, Deserialize)]
pub(super) struct Init<'a> {
    #[serde(rename = "Authorization", borrow)]
    header: Option<&'a RawValue>,
    #[serde(rename = "authorization", borrow)]
    lower_header: Option<&'a RawValue>,
    #[serde(borrow)]
    token: Option<&'a RawValue>,
}

impl Init<'_> {
    /// The value of the header, if any.
    ///
    /// # Errors
    /// It is not a string.
    pub(super) fn header(&self) -> Result<Option<String>, String> {
        match read_text("Authorization", self.header)? {
            None => read_text("authorization", self.lower_header),
            header => Ok(header),
        }
    }

    /// The token, if it is sent without a header.
    ///
    /// # Errors
    /// It is not a string.
    pub(super) fn token(&self) -> Result<Option<String>, String> {
        read_text("token", self.token)
    }
}

fn read_text(name: &str, json: Option<&RawValue>) -> Result<Option<String>, String> {
    let text = json.map(|json| serde_json::from_str(json.get())).transpose();
    text.map_err(|_| format!("Invalid message: {name} in connection_init must be a string"))
}

/// A message before its type is known. Other members are ignored.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(rename = "type")]
    kind: String,
    id: Option<String>,
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
}

/// Parses a message.
///
/// # Errors
/// What is wrong, as the reason for close code 4400.
pub(super) fn read(text: &str, bounds: Bounds) -> Result<ClientMessage<'_>, String> {
    let envelope: Envelope<'_> = serde_json::from_str(text)
        .map_err(|_| "Invalid message: it must be a JSON object with a string \"type\"".to_owned())?;
    let Envelope { kind, id, payload } = envelope;
    let id = || match &id {
        None => Err(format!("Invalid message: {kind} needs an id, a string")),
        Some(id) if id.is_empty() => Err(format!("Invalid message: the id of {kind} is empty")),
        Some(id) if id.len() > ID_LENGTH_MAX => {
            Err(format!("Invalid message: an id must be at most {ID_LENGTH_MAX} bytes"))
        }
        Some(id) => Ok(id.clone()),
    };
    let no_object = || format!("Invalid message: the payload of {kind} must be an object");
    let object = |payload: &'_ RawValue| if payload.get().starts_with('{') { Ok(()) } else { Err(no_object()) };
    match kind.as_str() {
        "connection_init" => {
            let init =
                payload.map(|payload| serde_json::from_str(payload.get()).map_err(|_| no_object())).transpose()?;
            payload.map(object).transpose().map(|_| ClientMessage::Init(init.unwrap_or_default()))
        }
        "ping" => payload.map(object).transpose().map(|_| ClientMessage::Ping(payload)),
        "pong" => payload.map(object).transpose().map(|_| ClientMessage::Pong),
        "complete" => Ok(ClientMessage::Complete { id: id()? }),
        "subscribe" => {
            let id = id()?;
            let payload = payload.ok_or("Invalid message: subscribe needs a payload")?;
            let operation = match read_operation(payload, bounds) {
                Err(refusal) if refusal.status.is_some() => return Err(explain(&refusal)),
                operation => operation,
            };
            Ok(ClientMessage::Subscribe { id, operation })
        }
        // A client chooses it: only its beginning is repeated.
        other => Err(format!("Invalid message: unknown message type {:?}", other.chars().take(40).collect::<String>())),
    }
}

fn read_operation(payload: &RawValue, bounds: Bounds) -> Result<Box<OperationParams>, Refusal> {
    match params::read_body(payload.get().as_bytes(), Bounds { batch: 0, ..bounds })? {
        Operations::One(operation) => Ok(operation),
        Operations::Batch(_) => Err(Refusal::malformed("the payload is not an object")),
    }
}

fn explain(refusal: &Refusal) -> String {
    format!("Invalid message: {}", refusal.message())
}

pub(super) fn ack() -> Message {
    Message::text(r#"{"type":"connection_ack"}"#)
}

pub(super) fn pong(payload: Option<&RawValue>) -> Message {
    match payload {
        Some(payload) => Message::text(format!(r#"{{"type":"pong","payload":{payload}}}"#)),
        None => Message::text(r#"{"type":"pong"}"#),
    }
}

/// A result, whose bytes are copied once, into their frames. A large one is sent in fragments (RFC 6455, section 5.4),
/// each of which is created after the client has taken the previous one. `id` is a JSON string.
pub(super) fn next(id: &str, json: &Bytes) -> impl Iterator<Item = Message> {
    let head = [br#"{"id":"#, id.as_bytes(), br#","type":"next","payload":"#].concat();
    let count = json.len().div_ceil(PIECE_BYTES).max(1);
    (0..count).map(move |number| {
        let piece = &json[number * PIECE_BYTES..json.len().min((number + 1) * PIECE_BYTES)];
        let (is_first, is_last) = (number == 0, number + 1 == count);
        let (head, tail) = (if is_first { &*head } else { b"" }, if is_last { &b"}"[..] } else { b"" });
        let kind = if is_first { Data::Text } else { Data::Continue };
        Message::Frame(Frame::message([head, piece, tail].concat(), OpCode::Data(kind), is_last))
    })
}

pub(super) fn error(id: &str, errors: &[RequestError]) -> Message {
    // Errors contain only strings and numbers, which can always be JSON.
    let errors = serde_json::to_vec(errors).unwrap_or_else(|_| br#"[{"message":"internal error"}]"#.to_vec());
    framed(&[br#"{"id":"#, id.as_bytes(), br#","type":"error","payload":"#, &errors, b"}"])
}

pub(super) fn complete(id: &str) -> Message {
    framed(&[br#"{"id":"#, id.as_bytes(), br#","type":"complete"}"#])
}

/// A text message, without another check for UTF-8.
fn framed(parts: &[&[u8]]) -> Message {
    Message::Frame(Frame::message(parts.concat(), OpCode::Data(Data::Text), true))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
mod tests {
    use super::*;
    use crate::Limits;
    use serde_json::Value;

    fn read(text: &str) -> Result<ClientMessage<'_>, String> {
        super::read(text, Bounds::of(&Limits::DEFAULT))
    }

    #[test]
    fn messages_are_read() {
        for good in [
            r#"{"type":"connection_init"}"#,
            r#"{"type":"connection_init","payload":null,"id":null,"other":[]}"#,
            r#"{"payload":{"token":"a"},"type":"connection_init"}"#,
            r#"{"type":"ping","payload":{}}"#,
            r#"{"type":"pong"}"#,
            r#"{"id":"1","type":"complete"}"#,
            r#"{"id":"1","type":"subscribe","payload":{"query":"{ a }","variables":null,"operationName":null}}"#,
        ] {
            assert!(read(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn invalid_messages_get_their_reason() {
        for (wrong, part) in [
            ("", "a JSON object"),
            ("[]", "a JSON object"),
            ("{}", "a string \"type\""),
            (r#"{"type":1}"#, "a string \"type\""),
            (r#"{"type":"start"}"#, "unknown message type \"start\""),
            (r#"{"type":"connection_init","payload":[]}"#, "payload of connection_init must be an object"),
            (r#"{"type":"ping","payload":"x"}"#, "payload of ping must be an object"),
            (r#"{"type":"complete"}"#, "complete needs an id"),
            (r#"{"type":"complete","id":1}"#, "a JSON object"),
            (r#"{"type":"complete","id":""}"#, "is empty"),
            (r#"{"type":"subscribe","id":"1"}"#, "needs a payload"),
            (r#"{"type":"subscribe","id":"1","payload":[]}"#, "batches"),
            (r#"{"type":"subscribe","id":"1","payload":"{ a }"}"#, "not a JSON object"),
            (r#"{"type":"subscribe","id":"1","payload":{}}"#, "query: is missing"),
            (r#"{"type":"subscribe","id":"1","payload":{"query":1}}"#, "query: must be a string"),
            (r#"{"type":"subscribe","id":"1","payload":{"query":"{ a }","variables":[]}}"#, "variables: must be"),
        ] {
            let reason = read(wrong).err().unwrap();
            assert!(reason.contains(part), "{wrong}: {reason}");
        }
        let long = format!(r#"{{"type":"complete","id":"{}"}}"#, "x".repeat(ID_LENGTH_MAX + 1));
        assert!(read(&long).is_err());
        assert!(read(&long.replacen('x', "", 1)).is_ok());
    }

    #[test]
    fn frames_are_json() {
        let text = |message: Message| match message {
            Message::Frame(frame) => serde_json::from_slice::<Value>(frame.payload()).unwrap().to_string(),
            other => other.into_text().unwrap().to_string(),
        };
        let id = Value::from("a\"b").to_string();
        assert_eq!(
            text(next(&id, &Bytes::from_static(b"{\"data\":1}")).next().unwrap()),
            r#"{"id":"a\"b","payload":{"data":1},"type":"next"}"#
        );
        assert_eq!(text(complete(&id)), r#"{"id":"a\"b","type":"complete"}"#);
        let long = Value::from(vec!["щ"; PIECE_BYTES]).to_string();
        let frames: Vec<_> = next(&id, &long.clone().into_bytes().into()).collect();
        assert!(frames.len() > 3);
        let payloads = frames.into_iter().map(|message| match message {
            Message::Frame(frame) => frame.into_payload(),
            other => other.into_data(),
        });
        let whole = payloads.fold(Vec::new(), |whole, piece| [whole, piece.to_vec()].concat());
        let whole: Value = serde_json::from_slice(&whole).unwrap();
        assert_eq!(whole["payload"].to_string(), long);
        let errors = [RequestError::new("X", "no")];
        assert_eq!(
            text(error(&id, &errors)),
            r#"{"id":"a\"b","payload":[{"extensions":{"code":"X"},"message":"no"}],"type":"error"}"#
        );
    }
}
