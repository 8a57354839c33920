//! Positions in PostgreSQL's write-ahead log: a replica must reach a position so that a session sees its own changes.

use std::fmt;
use std::str::FromStr;

/// A position in bytes, as in PostgreSQL's `pg_lsn`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub i64);

impl Position {
    /// After every position: for a change whose leader did not report its position.
    pub const UNKNOWN: Self = Self(i64::MAX);
}

/// As PostgreSQL writes it: `16/B374D848`.
impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 & 0xffff_ffff)
    }
}

impl FromStr for Position {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let half = |digits: &str| {
            let is_hex = (1..=8).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
            is_hex.then(|| i64::from_str_radix(digits, 16).ok()).flatten().ok_or(())
        };
        let (high, low) = text.split_once('/').ok_or(())?;
        let (high, low) = (half(high)?, half(low)?);
        high.checked_mul(1 << 32).map(|high| Self(high | low)).ok_or(())
    }
}

/// Where a query reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadsFrom {
    /// From any replica.
    Replicas,
    /// From replicas that have reached the position, or from the leader.
    FreshReplicas,
    /// From the leader.
    Leader,
    /// From any replica, because there is no leader. The session's latest changes may be missing.
    StaleReplicas,
}

#[cfg(test)]
mod tests {
    use super::Position;

    #[test]
    fn positions_are_read_as_postgresql_writes_them() {
        for (text, position) in
            [("0/0", 0), ("0/16B3748", 0x016b_3748), ("7FFFFFFF/FFFFFFFF", i64::MAX), ("a/b", 10 << 32 | 11)]
        {
            assert_eq!(text.parse(), Ok(Position(position)), "{text}");
            assert_eq!(Position(position).to_string(), text.to_uppercase());
        }
        for wrong in ["", "/", "0", "0/", "/0", "0/0/0", "+1/0", " 0/0", "0/-1", "g/0", "80000000/0", "0/123456789"] {
            assert_eq!(wrong.parse::<Position>(), Err(()), "{wrong}");
        }
    }
}
