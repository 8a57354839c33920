//! The settings in force, as `kinoteka config` shows them, and what is doubtful about them.

use std::fmt::Write as _;

use migration::connect::DatabaseUrl;
use settings::Invocation;

use super::{Cli, ServeArgs};
use crate::{db, telemetry};

impl ServeArgs {
    /// The values that follow from other settings, by their flags.
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

    /// Checks what the command line's parser does not: `kinoteka config` and `serve` refuse the same settings, and `serve`
    /// does so before it changes anything.
    ///
    /// # Errors
    /// The flag and what is wrong.
    pub fn check(&self) -> anyhow::Result<()> {
        self.database.url()?;
        let read_url = self.database_read_url.as_deref();
        if let Some(DatabaseUrl::Sqlite(_)) =
            read_url.map(|url| db::parse_url("--database-read-url", url)).transpose()?
        {
            anyhow::bail!("--database-read-url: only PostgreSQL has replicas; leave it out on SQLite");
        }
        self.sources.command_sources()?;
        telemetry::read_filter(&self.log_filter)?;
        if self.metrics_listen == Some(self.listen) && self.listen.port() != 0 {
            anyhow::bail!("--metrics-listen: {} is the address of --listen; choose another port", self.listen);
        }
        Ok(())
    }

    /// Settings that are valid and probably wrong, each with its remedy.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.production && self.database.url().is_ok_and(|url| matches!(url, DatabaseUrl::Sqlite(_))) {
            warnings.push(
                "--production on SQLite: one process, one disk, no failover; use PostgreSQL by --database-url"
                    .to_owned(),
            );
        }
        if self.production && self.demo {
            warnings.push(
                "--production with --demo: everybody knows the password of the demo accounts; leave out --demo"
                    .to_owned(),
            );
        }
        if self.metrics_listen.is_none() && (self.production || !self.listen.ip().is_loopback()) {
            let listen = self.listen;
            warnings.push(format!(
                "/metrics is open to all who can reach --listen ({listen}): move it to another address by --metrics-listen"
            ));
        }
        warnings
    }
}

/// The settings in force with their sources, a line each, below the headings of `--help`.
pub fn describe(invocation: &Invocation<Cli>, args: &ServeArgs) -> String {
    let mut settings = invocation.settings();
    // Each heading once.
    let headings: Vec<_> = settings.iter().map(|setting| setting.heading.clone()).collect();
    settings.sort_by_key(|setting| headings.iter().position(|heading| *heading == setting.heading));
    let derived = args.derived();
    let (mut written, mut heading) = (String::new(), "");
    for setting in &settings {
        if setting.heading != heading {
            let gap = if heading.is_empty() { "" } else { "\n" };
            heading = &setting.heading;
            // Writing to a text cannot fail.
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
