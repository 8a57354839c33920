//! The settings of the status: its sources.

use clap::Args;
use migration::connect::DatabaseUrl;
use url::Url;

use crate::db;
use crate::status::{InstanceSources, StatusSources};

/// The sources of the status of the cluster, the servers and the database.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Status")]
pub struct StatusArgs {
    /// The addresses of Patroni's REST API, comma-separated, such as http://10.0.0.11:8008. One that responds is enough
    /// for the whole cluster.
    #[arg(long, env = "KINOTEKA_PATRONI_URL", value_name = "URLS", value_delimiter = ',', value_parser = read_address)]
    pub patroni_url: Vec<Url>,

    /// The database on the leader, with a role that has only pg_monitor:
    /// postgres://pmm:password@host:port/kinoteka.
    #[arg(long, env = "KINOTEKA_MONITOR_URL", hide_env_values = true, value_name = "URL")]
    pub monitor_url: Option<String>,

    /// The servers, comma-separated: the --metrics-listen of each, or its --listen if there is none. By default,
    /// `serve` shows itself, and `status` queries http://127.0.0.1:8000.
    #[arg(long, env = "KINOTEKA_INSTANCES", value_name = "URLS", value_delimiter = ',', value_parser = read_address)]
    pub instances: Vec<Url>,
}

impl StatusArgs {
    /// The sources. `instances` are the servers if `--instances` is not set.
    ///
    /// # Errors
    /// The flag, and what is wrong.
    pub fn sources(&self, instances: InstanceSources) -> anyhow::Result<StatusSources> {
        let monitor = self.monitor_url.as_deref().map(|url| db::parse_url("--monitor-url", url)).transpose()?;
        if let Some(DatabaseUrl::Sqlite(_)) = monitor {
            anyhow::bail!("--monitor-url: only PostgreSQL has statistics; omit it on SQLite");
        }
        let instances = if self.instances.is_empty() { instances } else { InstanceSources::At(self.instances.clone()) };
        Ok(StatusSources { patroni: self.patroni_url.clone(), monitor, instances })
    }

    /// The sources of the command `status`.
    ///
    /// # Errors
    /// The flag, and what is wrong.
    pub fn command_sources(&self) -> anyhow::Result<StatusSources> {
        self.sources(InstanceSources::At(vec![Url::parse("http://127.0.0.1:8000")?]))
    }
}

/// Parses the address of a program to query over HTTP.
fn read_address(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("{error}; write it as http://host:port"))?;
    match url.scheme() {
        "http" if url.username().is_empty() && url.password().is_none() && url.query().is_none() => Ok(url),
        "http" => Err("write it as http://host:port, without a user or a query".to_owned()),
        _ => Err("only http:// is supported; use an address inside your network".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::read_address;

    #[test]
    fn addresses_are_plain_http() {
        for good in ["http://127.0.0.1:8008", "http://[fd00::1]:8008/", "http://patroni.internal/prefix"] {
            assert!(read_address(good).is_ok(), "{good}");
        }
        for bad in ["127.0.0.1:8008", "https://n1:8008", "http://user:secret@n1", "http://n1?a=b", "n1"] {
            assert!(read_address(bad).is_err_and(|why| !why.contains("secret")), "{bad}");
        }
    }
}
