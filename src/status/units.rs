//! Formats numbers for people.

/// Bytes with a unit.
pub(super) fn show_bytes(bytes: f64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut shown = bytes;
    let mut unit = 0;
    while shown >= 1024.0 && unit + 1 < units.len() {
        shown /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{shown} B") } else { format!("{shown:.1} {}", units[unit]) }
}

#[cfg(test)]
mod tests {
    use super::show_bytes;

    #[test]
    fn bytes_are_short() {
        assert_eq!([0.0, 1023.0, 1536.0, 3e9].map(show_bytes), ["0 B", "1023 B", "1.5 KiB", "2.8 GiB"]);
    }
}
