//! The lines of a history.
//!
//! All times are microseconds since the run began, by the one clock of the load that does not jump: the clocks of
//! servers and databases do not matter.

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
    /// An operation of a client, with all its sendings.
    Call(HistoryCall),
    /// An event that a listener got.
    Event(HistoryEvent),
    /// A listener begins anew, as the documentation tells it to after `CURSOR_EXPIRED`.
    Restart(ListenerRestart),
    /// What follows are values at the end. They replace those of an earlier reading.
    Reading(ReadingStart),
    /// A value at the end.
    Found(Sight),
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
    /// When it began: milliseconds since 1970, for people.
    pub started: u64,
    /// The servers; calls name them by their place here.
    pub urls: Vec<String>,
    /// The seed of the script.
    pub rng_seed: u64,
    /// The number of listeners.
    pub listeners: u32,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CallOutcome {
    /// The server says that it was done.
    Done,
    /// The server says that nothing was done.
    Refused,
    /// Nobody knows.
    Unknown,
}

/// An operation of a client.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HistoryCall {
    /// When it was sent first.
    pub start: u64,
    /// When its last answer came.
    pub end: u64,
    /// Who sent it; left out if nobody was signed in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// The server that gave the last answer, by its place in the first line.
    pub instance: u32,
    /// The root field.
    pub name: String,
    /// How it ended.
    pub outcome: CallOutcome,
    /// The code of the error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// How often it was sent.
    pub sent: u32,
    /// Whether the server said that it answers by an older state.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stale: bool,
    /// What it changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wrote: Option<Sight>,
    /// The id of what it made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The id of what has to be there for that to be there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub under: Option<String>,
    /// Who the server said the viewer is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub viewer: Option<String>,
    /// What it saw.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub saw: Vec<Sight>,
}

/// A thing and its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Sight {
    /// The thing, such as `comment/17`.
    pub thing: String,
    /// Its value; null if it is not there.
    pub value: Option<u32>,
}

/// An event that a listener got.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HistoryEvent {
    /// When it came.
    pub at: u64,
    /// The listener. One more than there are in the first line hears all of it again at the end.
    pub listener: u32,
    /// The id of the comment.
    pub id: String,
    /// The number of the comment, if it is of the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<u32>,
}

/// A listener begins anew.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ListenerRestart {
    /// When it had its new cursor.
    pub at: u64,
    /// The listener.
    pub listener: u32,
}

/// The beginning of a reading.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReadingStart {
    /// When it began.
    pub at: u64,
}

/// The end.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HistoryEnd {
    /// Whether the last reading is complete.
    pub read: bool,
    /// Whether listeners were given the time to hear of everything.
    pub heard: bool,
    /// The number of lines before this one.
    pub lines: u64,
    /// The SHA-256 of the lines before this one, in hexadecimal digits.
    pub sha256: String,
}

/// Something that has a value: named by what the run knows of it, and not by ids, which a database that lost its last
/// transactions gives out again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Thing<'a> {
    /// A comment of the run.
    Comment(u32),
    /// A publication of the run; its value is the number of its text.
    Publication(u32),
    /// A user who was signed up by the run.
    User(u32),
    /// A session that the run began.
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
    pub fn with(&self, value: Option<u32>) -> Sight {
        Sight { thing: self.to_string(), value }
    }
}
