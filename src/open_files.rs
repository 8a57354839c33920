//! The limit of open files, and the number of connections that it allows.
//!
//! Clients' connections must not use up the files that the database needs: the limit of open files is raised as far as
//! the system allows, and if that is not enough, fewer connections are accepted.

use anyhow::bail;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files other than connections: standard streams, the runtime, listeners, the log, SQLite's temporary files, and
/// short-lived ones, such as sockets to resolve a name.
const OTHER_FILES: u64 = 24;

/// If fewer connections than this fit, the server does not start.
const CONNECTIONS_MIN: u64 = 8;

/// The needs of the settings.
#[derive(Clone, Copy, Debug)]
pub struct Needs {
    /// Connections of clients, to all addresses together.
    pub connections: u64,
    /// Files of the database connections.
    pub database: u64,
}

/// Raises the limit of open files to the system's maximum, and returns how many client connections fit: the requested
/// number, or fewer after a warning.
///
/// # Errors
/// Too few connections fit besides the database's files.
pub fn reserve(needs: Needs) -> anyhow::Result<u64> {
    let limit = raise();
    let connections = room(needs, limit)?;
    if connections < needs.connections {
        tracing::warn!(
            "only {connections} client connections are accepted instead of {}, because only {limit} open \
             files are allowed: raise the limit (ulimit -n, or LimitNOFILE= of systemd) to {}, or lower \
             --limit-connections",
            needs.connections,
            needs.connections + needs.database + OTHER_FILES,
        );
    }
    Ok(connections)
}

fn room(needs: Needs, limit: u64) -> anyhow::Result<u64> {
    let reserved = needs.database + OTHER_FILES;
    let room = limit.saturating_sub(reserved);
    if room < CONNECTIONS_MIN.min(needs.connections) {
        bail!(
            "only {limit} open files are allowed, but at least {} are needed: raise the limit (ulimit -n, or \
             LimitNOFILE= of systemd), or lower --database-connections",
            reserved + CONNECTIONS_MIN.min(needs.connections)
        );
    }
    Ok(room.min(needs.connections))
}

/// Raises the soft limit to the hard one. Returns the resulting limit.
fn raise() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        // Some systems reject an unlimited one: then the soft limit stays.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    }
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
mod tests {
    use super::*;

    #[test]
    fn the_database_comes_first() {
        let room = |connections, database, limit| room(Needs { connections, database }, limit);
        let least = OTHER_FILES + 12 + CONNECTIONS_MIN;
        assert_eq!(room(20_000, 12, 1 << 20).unwrap(), 20_000);
        assert_eq!(room(20_000, 12, least + 92).unwrap(), 100);
        assert_eq!(room(20_000, 12, least).unwrap(), CONNECTIONS_MIN);
        let refusal = room(20_000, 12, least - 1).unwrap_err().to_string();
        assert!(refusal.contains(&least.to_string()) && refusal.contains("ulimit -n"), "{refusal}");
        // If fewer are requested, no more are needed.
        assert_eq!(room(3, 12, OTHER_FILES + 15).unwrap(), 3);
    }
}
