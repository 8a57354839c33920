use proptest::collection::btree_set;
use proptest::prelude::*;

use super::*;

fn marks() -> impl Strategy<Value = Mark> {
    let number = || 0..i64::MAX;
    let row = (number(), number(), number()).prop_map(|(xact, id, at_us)| Mark::of_row(xact, id, at_us));
    let position = (number(), number(), number(), number())
        .prop_map(|(tick, xact, id, mark)| Mark { position: Position { tick, xact, id }, stamp: Stamp::Tick(mark) });
    let end = (number(), number())
        .prop_map(|(tick, mark)| Mark { position: Position::end_of(tick), stamp: Stamp::Tick(mark) });
    prop_oneof![row, position, end]
}

fn snapshots() -> impl Strategy<Value = Snapshot> {
    (0..1_i64 << 40, btree_set(0..5_000_i64, 0..40)).prop_map(|(xmin, running)| Snapshot {
        xmin,
        xmax: xmin + 5_000,
        running: running.into_iter().map(|more| xmin + more).collect(),
    })
}

fn cursors() -> impl Strategy<Value = FeedCursor> {
    let seen = (snapshots(), 0..i64::MAX, 0..i64::MAX)
        .prop_map(|(snapshot, tick, mark)| Arc::new(ListedEvents { snapshot, tick, mark }));
    ("[0-9a-f]{12}", marks(), proptest::option::of(seen)).prop_map(|(epoch, mark, seen)| FeedCursor {
        epoch,
        mark,
        seen: seen.filter(|_| matches!(mark.stamp, Stamp::Tick(_))),
    })
}

proptest! {
    #[test]
    fn a_cursor_parses_to_its_position(cursor in cursors()) {
        let text = cursor.text();
        prop_assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'));
        prop_assert_eq!(FeedCursor::parse(&text), Some(cursor));
    }

    #[test]
    fn other_texts_are_refused(text in ".{0,80}") {
        prop_assert_eq!(FeedCursor::parse(&text), None);
    }

    #[test]
    fn damaged_cursors_are_refused_or_whole(cursor in cursors(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut text = cursor.text().into_bytes();
        let at = at.index(text.len());
        text[at] = byte;
        if let Ok(text) = String::from_utf8(text)
            && let Some(cursor) = FeedCursor::parse(&text)
        {
            prop_assert_eq!(cursor.text(), text);
        }
    }
}

#[test]
fn near_misses_are_refused() {
    let texts = [
        "f1:e:1:2",
        "f1:e:1:2:3:4",
        "f1:e:01:2:3",
        "f1:e:-1:2:3",
        "f1:e:+1:2:3",
        "f1:e:1:2:x",
        "f1:e:1:2:3/1:2:3:4:",
        "f2:e:1:2:3",
        "f2:e:1:2:3:4:5",
        "f2:e:1:2:end:3",
        "f2:e:1:2:end/",
        "f2:e:1:2:end/1:2",
        "f2:e:1:2:end/1:2:3:4",
        "f2:e:1:2:end/1:2:4:3:",
        "f2:e:1:2:end/1:2:3:5:5",
        "f2:e:1:2:end/1:2:3:9:5,4",
        "f2:e:1:2:end/1:2:3:9:4,4",
        "f2:e:1:2:9223372036854775807:9223372036854775807",
        "f3:e:1:2:3",
        "f1:e",
        "f2:e",
        "f2",
        "",
    ];
    for text in texts {
        assert_eq!(FeedCursor::parse(&BASE64_URL_SAFE_NO_PAD.encode(text)), None, "{text}");
    }
    assert_eq!(FeedCursor::parse("f1:e:1:2:3"), None, "not encoded");
    let running: Vec<_> = (0..900_i64).map(|xact| (xact + 1_000_000).to_string()).collect();
    let long = format!("f2:e:1:2:end/1:2:1000000:2000000:{}", running.join(","));
    assert_eq!(FeedCursor::parse(&BASE64_URL_SAFE_NO_PAD.encode(long)), None, "too long");
}

/// Cursors of releases without ticks.
#[test]
fn old_cursors_are_read() {
    let text = BASE64_URL_SAFE_NO_PAD.encode("f1:ffb48cd538b6:901:12:1763890000000000");
    let mark = Mark::of_row(901, 12, 1_763_890_000_000_000);
    let cursor = FeedCursor { epoch: "ffb48cd538b6".to_owned(), mark, seen: None };
    assert_eq!(FeedCursor::parse(&text), Some(cursor));
}

#[test]
fn a_snapshot_shows_what_was_committed() {
    let snapshot = Snapshot::parse("10:20:10,15").unwrap_or_else(|| panic!("it is a snapshot"));
    let shown: Vec<_> = (8..22).filter(|xact| snapshot.shows(*xact)).collect();
    assert_eq!(shown, [8, 9, 11, 12, 13, 14, 16, 17, 18, 19]);
    let seen = ListedEvents { snapshot, tick: 3, mark: 0 };
    let has = |tick| seen.has(Position { tick, xact: 12, id: 1 });
    assert_eq!((has(3), has(4)), (true, false), "numbers of later ticks may have been used again");
}
