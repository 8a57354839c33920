//! The effective settings, as `kinoteka config` prints them, and warnings about them.

use std::fmt::Write as _;

use migration::connect::DatabaseUrl;
use settings::Invocation;

use super::{Cli, ServeArgs};
use crate::{db, telemetry};

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

    /// Checks what the parser of the command line does not. `kinoteka config` and `serve` refuse the same settings, and
    /// `serve` does so before it changes anything.
    ///
    /// # Errors
    /// The flag and the reason.
    pub fn check(&self) -> anyhow::Result<()> {
        self.database.url()?;
        let read_url = self.database_read_url.as_deref();
        if let Some(DatabaseUrl::Sqlite(_)) =
            read_url.map(|url| db::parse_url("--database-read-url", url)).transpose()?
        {
            anyhow::bail!("--database-read-url: only PostgreSQL has replicas; omit it on SQLite");
        }
        self.sources.command_sources()?;
        telemetry::read_filter(&self.log_filter)?;
        if self.metrics_listen == Some(self.listen) && self.listen.port() != 0 {
            anyhow::bail!("--metrics-listen: {} is the address of --listen; use another port", self.listen);
        }
        Ok(())
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
        if self.demo && (self.production || !self.listen.ip().is_loopback()) {
            let flag = if self.production { "--production".to_owned() } else { format!("--listen ({})", self.listen) };
            warnings.push(format!("{flag} with --demo: the password of the demo accounts is public; omit --demo"));
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
    let mut settings = invocation.settings();
    // Group the settings, so that each heading appears once.
    let headings: Vec<_> = settings.iter().map(|setting| setting.heading.clone()).collect();
    settings.sort_by_key(|setting| headings.iter().position(|heading| *heading == setting.heading));
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
