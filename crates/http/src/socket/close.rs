//! Why a WebSocket is closed.

use std::borrow::Cow;

use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

/// Why a WebSocket is closed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Close {
    /// The server closes it, with a code and a reason.
    Ours(u16, Cow<'static, str>),
    /// The client closed it.
    Client,
    /// Nothing more can be sent: it broke, or the client does not respond or does not read.
    Lost,
}

impl Close {
    pub(super) const FORBIDDEN: Self = Self::fixed(4403, "Forbidden");
    pub(super) const INIT_TIMEOUT: Self = Self::fixed(4408, "Connection initialisation timeout");
    pub(super) const LAGGED: Self = Self::fixed(1013, "You read too slowly: connect again and resume");
    /// Clients reconnect by themselves after this code and the one before.
    pub(super) const RESTART: Self = Self::fixed(1012, "The server restarts: connect again and resume");
    pub(super) const SECOND_INIT: Self = Self::fixed(4429, "Too many initialisation requests");
    pub(super) const SUBPROTOCOL: Self = Self::fixed(4406, "Subprotocol not acceptable");
    pub(super) const UNAUTHORIZED: Self = Self::fixed(4401, "Unauthorized");
    pub(super) const UNAVAILABLE: Self = Self::fixed(1013, "The database does not answer: try again later");

    const fn fixed(code: u16, reason: &'static str) -> Self {
        Self::Ours(code, Cow::Borrowed(reason))
    }

    pub(super) fn invalid(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::Ours(4400, reason.into())
    }

    /// The server has no capacity now.
    pub(super) fn unavailable(reason: String) -> Self {
        Self::Ours(1013, reason.into())
    }

    /// Whether clients reconnect by themselves and repeat their running operations.
    pub(super) fn is_for_now(&self) -> bool {
        matches!(self, Self::Ours(1012 | 1013, _))
    }

    pub(super) fn duplicate(id: &str) -> Self {
        Self::Ours(4409, format!("Subscriber for {id} already exists").into())
    }

    /// The reason after a failed read or write.
    pub(super) fn after(error: &Error, message_bytes_max: u64) -> Self {
        match error {
            Error::Capacity(_) => {
                Self::Ours(1009, format!("A message must be at most {message_bytes_max} bytes").into())
            }
            Error::Utf8(_) => Self::fixed(1007, "A text message is not valid UTF-8"),
            Error::Protocol(tokio_tungstenite::tungstenite::error::ProtocolError::ResetWithoutClosingHandshake) => {
                Self::Lost
            }
            Error::Protocol(error) => Self::Ours(1002, error.to_string().into()),
            _ => Self::Lost,
        }
    }

    /// The label in logs and metrics.
    pub(super) fn label(&self) -> Cow<'static, str> {
        match self {
            Self::Ours(code, _) => code.to_string().into(),
            Self::Client => "client".into(),
            Self::Lost => "lost".into(),
        }
    }

    /// Whether the client's frames can no longer be parsed.
    pub(super) fn is_about_frames(&self) -> bool {
        matches!(self, Self::Ours(1002 | 1007 | 1009, _))
    }

    /// The close frame. `None` if nothing can be sent.
    pub(super) fn frame(&self) -> Option<CloseFrame> {
        let Self::Ours(code, reason) = self else { return None };
        let mut end = reason.len().min(REASON_BYTES_MAX);
        while !reason.is_char_boundary(end) {
            end -= 1;
        }
        Some(CloseFrame { code: (*code).into(), reason: reason[..end].into() })
    }
}

/// The part of a control frame that remains after the code.
const REASON_BYTES_MAX: usize = 123;

#[cfg(test)]
mod tests {
    use super::Close;

    #[test]
    fn reasons_are_cut_between_letters() {
        let frame = Close::duplicate(&"щ".repeat(100)).frame();
        let reason = frame.map(|frame| frame.reason.to_string()).unwrap_or_default();
        assert!((122..=123).contains(&reason.len()) && reason.ends_with('щ'), "{reason}");
    }
}
