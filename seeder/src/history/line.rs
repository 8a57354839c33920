//! The lines of a history.
//!
//! All times are microseconds since the start of the run, by the load's monotonic clock. The clocks of servers and
//! databases do not matter.

use std::fmt::{Display, Formatter};

use serde::{Deserialize, Serialize};

/// The name of the format.
pub const FORMAT: &str = "kinoteka-history";
/// Its version.
pub const VERSION: u32 = 1;

/// A line.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum HistoryLine {
    /// The first line.
    Run(HistoryRun),
    /// An operation of a client, including retries.
    Call(HistoryCall),
    /// An event that a listener received.
    Event(HistoryEvent),
    /// A listener restarts with a new cursor, as documented for `CURSOR_EXPIRED`.
    Restart(ListenerRestart),
    /// The values that follow are those at the end. They replace those of an earlier reading.
    Reading(ReadingStart),
    /// A value at the end.
    Found(ThingValue),
    /// The last line.
    End(HistoryEnd),
}

/// The run.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HistoryRun {
    /// [`FORMAT`].
    pub format: String,
    /// [`VERSION`].
    pub version: u32,
    /// The name of the run.
    pub id: String,
    /// The start, in milliseconds since 1970, for people.
    pub started: u64,
    /// The servers. Calls contain their positions in this list.
    pub urls: Vec<String>,
    /// The seed of the script.
    pub rng_seed: u64,
    /// The number of listeners.
    pub listeners: u32,
}

/// The outcome of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CallOutcome {
    /// The server acknowledged it.
    Done,
    /// The server refused it: nothing changed.
    Refused,
    /// It is unknown whether it was done.
    Unknown,
}

/// An operation of a client.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HistoryCall {
    /// When it was first sent.
    pub start: u64,
    /// When its last response came.
    pub end: u64,
    /// The session; omitted for anonymous calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// The server of the last response, by its position in the first line.
    pub instance: u32,
    /// The root field.
    pub name: String,
    /// Its outcome.
    pub outcome: CallOutcome,
    /// The code of the error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// How often it was sent.
    pub sent: u32,
    /// Whether the server marked the response as stale.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stale: bool,
    /// What it wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wrote: Option<ThingValue>,
    /// The id of the new object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The id of the new object's parent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub under: Option<String>,
    /// The viewer named by the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub viewer: Option<String>,
    /// What it read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub saw: Vec<ThingValue>,
}

/// A thing and its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ThingValue {
    /// The thing, such as `comment/17`.
    pub thing: String,
    /// Its value; null if it does not exist.
    pub value: Option<u32>,
}

/// An event that a listener received.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HistoryEvent {
    /// When it came.
    pub at: u64,
    /// The listener. One more than in the first line receives everything again at the end.
    pub listener: u32,
    /// The id of the comment.
    pub id: String,
    /// The number of the comment, if the run made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<u32>,
}

/// A listener restarts.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ListenerRestart {
    /// When it had its new cursor.
    pub at: u64,
    /// The listener.
    pub listener: u32,
}

/// The start of a reading.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReadingStart {
    /// When it started.
    pub at: u64,
}

/// The last line.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HistoryEnd {
    /// Whether the last reading is complete.
    pub read: bool,
    /// Whether listeners had time to receive everything.
    pub heard: bool,
    /// The number of lines before this one.
    pub lines: u64,
    /// The SHA-256 of the lines before this one, in hexadecimal digits.
    pub sha256: String,
}

/// Something with a value. It is named by what the run knows of it, not by its id: a database that lost its last
/// transactions uses ids again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Thing<'a> {
    /// A comment of the run.
    Comment(u32),
    /// A publication of the run; its value is the number of its text.
    Publication(u32),
    /// A user that the run signed up.
    User(u32),
    /// A session that the run started.
    Session(u32),
    /// The order of a movie by a member at a cinema.
    Order(&'a str, &'a str, &'a str),
    /// The rating of a subject by a member.
    Rating(&'a str, &'a str),
    /// The price of a movie at a cinema.
    Presence(&'a str, &'a str),
}

impl Display for Thing<'_> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Comment(number) => write!(formatter, "comment/{number}"),
            Self::Publication(number) => write!(formatter, "publication/{number}"),
            Self::User(number) => write!(formatter, "user/{number}"),
            Self::Session(number) => write!(formatter, "session/{number}"),
            Self::Order(member, movie, cinema) => write!(formatter, "order/{member}/{movie}/{cinema}"),
            Self::Rating(member, subject) => write!(formatter, "rating/{member}/{subject}"),
            Self::Presence(movie, cinema) => write!(formatter, "presence/{movie}/{cinema}"),
        }
    }
}

impl Thing<'_> {
    /// The thing with this value.
    pub fn with(&self, value: Option<u32>) -> ThingValue {
        ThingValue { thing: self.to_string(), value }
    }
}
