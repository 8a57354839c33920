//! The effective settings, as `kinoteka config` prints them, and warnings about them.

use std::fmt::Write as _;

use migration::connect::DatabaseUrl;
use settings::Invocation;

use super::{Cli, ServeArgs};

impl ServeArgs {
    /// The values derived from other settings, by flag.
    fn derived(&self) -> [(&'static str, String); 6] {
        [
            ("introspection", self.introspection().to_string()),
            ("ide", self.ide().to_string()),
            ("drain-ms", self.drain().as_millis().to_string()),
            ("passwords-at-once", self.accounts.at_once().to_string()),
            ("lock-timeout-ms", self.lock_timeout().as_millis().to_string()),
            ("leader-wait-ms", self.leader_wait().time_max.as_millis().to_string()),
        ]
    }

    /// Warnings about valid settings that are probably wrong, each with its solution.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.production && self.database.url().is_ok_and(|url| matches!(url, DatabaseUrl::Sqlite(_))) {
            warnings.push(
                "--production on SQLite: one process, one disk, no failover; use PostgreSQL with --database-url"
                    .to_owned(),
            );
        }
        if self.production && self.demo {
            warnings
                .push("--production with --demo: the password of the demo accounts is public; omit --demo".to_owned());
        }
        if self.metrics_listen.is_none() && (self.production || !self.listen.ip().is_loopback()) {
            let listen = self.listen;
            warnings.push(format!(
                "/metrics is public: everyone who can reach --listen ({listen}) can read it; move it with --metrics-listen"
            ));
        }
        warnings
    }
}

/// The effective settings with their sources, one line each, under the headings of `--help`.
pub fn describe(invocation: &Invocation<Cli>, args: &ServeArgs) -> String {
    let settings = invocation.settings();
    let derived = args.derived();
    let (mut written, mut heading) = (String::new(), "");
    for setting in &settings {
        if setting.heading != heading {
            let gap = if heading.is_empty() { "" } else { "\n" };
            heading = &setting.heading;
            // Writing to a string cannot fail.
            let _ = writeln!(written, "{gap}{heading}:");
        }
        let (value, source) = match derived.iter().find(|(flag, _)| *flag == setting.flag) {
            Some((_, value)) if setting.value.as_ref().is_some_and(|given| given != value) => {
                (value.as_str(), format!("{}, lowered by --request-timeout-ms", setting.source))
            }
            Some((_, value)) => (value.as_str(), setting.source.clone()),
            None => (setting.value.as_deref().unwrap_or("-"), setting.source.clone()),
        };
        let flag = format!("--{}", setting.flag);
        let _ = writeln!(written, "  {flag:<42} {value:<32} {source}");
    }
    written
}
