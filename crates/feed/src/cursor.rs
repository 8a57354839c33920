//! Cursors of the feed: a place in it as opaque text, good on every instance.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use super::event::{Mark, Position};

/// What the text of every cursor of this form begins with.
const FORM: &str = "f1";

/// A place in the feed of one epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedCursor {
    /// The epoch that the place is good in.
    pub epoch: String,
    /// The event that was seen last.
    pub mark: Mark,
}

impl FeedCursor {
    /// The opaque form: letters, digits, `-` and `_`.
    pub fn encode(epoch: &str, mark: Mark) -> String {
        let Mark { position: Position { xact, id }, at_us } = mark;
        BASE64_URL_SAFE_NO_PAD.encode(format!("{FORM}:{epoch}:{xact}:{id}:{at_us}"))
    }

    /// Reads what [`encode`](Self::encode) has written; nothing else.
    pub fn parse(text: &str) -> Option<Self> {
        let decoded = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        let mut parts = decoded.strip_prefix(FORM)?.strip_prefix(':')?.split(':');
        let epoch = parts.next()?.to_owned();
        let mut number = || parts.next()?.parse::<i64>().ok().filter(|number| *number >= 0);
        let (xact, id, at_us) = (number()?, number()?, number()?);
        let mark = Mark { position: Position { xact, id }, at_us };
        (Self::encode(&epoch, mark) == text).then_some(Self { epoch, mark })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn cursor_parses_to_its_place(
            epoch in "[0-9a-f]{12}", xact in 0..i64::MAX, id in 0..i64::MAX, at_us in 0..i64::MAX
        ) {
            let mark = Mark { position: Position { xact, id }, at_us };
            let text = FeedCursor::encode(&epoch, mark);
            prop_assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'));
            prop_assert_eq!(FeedCursor::parse(&text), Some(FeedCursor { epoch, mark }));
        }

        #[test]
        fn other_texts_are_refused(text in ".{0,80}") {
            prop_assert_eq!(FeedCursor::parse(&text), None);
        }

        #[test]
        fn damaged_cursors_are_refused_or_whole(at in 0_usize..60, byte in any::<u8>()) {
            let mark = Mark { position: Position { xact: 901, id: 12 }, at_us: 1_763_890_000_000_000 };
            let mut text = FeedCursor::encode("ffb48cd538b6", mark).into_bytes();
            let at = at % text.len();
            text[at] = byte;
            if let Ok(text) = String::from_utf8(text)
                && let Some(cursor) = FeedCursor::parse(&text)
            {
                prop_assert_eq!(FeedCursor::encode(&cursor.epoch, cursor.mark), text);
            }
        }
    }

    #[test]
    fn near_misses_are_refused() {
        for text in
            ["f1:e:1:2", "f1:e:1:2:3:4", "f1:e:01:2:3", "f1:e:-1:2:3", "f1:e:+1:2:3", "f2:e:1:2:3", "f1:e:1:2:x"]
        {
            assert_eq!(FeedCursor::parse(&BASE64_URL_SAFE_NO_PAD.encode(text)), None, "{text}");
        }
        assert_eq!(FeedCursor::parse("f1:e:1:2:3"), None, "not encoded");
    }
}
