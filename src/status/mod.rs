//! The status of the cluster, the servers and the database, gathered into one [document](StatusDocument).
//!
//! The sources are Patroni, PostgreSQL's statistics and the servers' own addresses. If one does not respond, the
//! document names it with the solution, and contains the rest. [`Gatherer::look`] queries all of them, [`print`] shows
//! the document in a terminal, `http` returns it to admins at `/status.json`, and the page `/status` draws it.

mod document;
mod fetch;
mod instances;
mod judge;
mod patroni;
pub mod print;
mod rates;
mod statistics;
mod units;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::{BoxFuture, OptionFuture};
use migration::connect::DatabaseUrl;
use url::Url;

use self::fetch::Fetch;
use self::judge::Finding;
use self::rates::Rates;
use self::statistics::{Monitor, Statistics};
use crate::clock;
use crate::error::{ApiError, ApiResult};
use crate::http::Overview;

pub use self::document::{
    ClusterReport, ConnectionsReport, DatabaseReport, FeedReport, InstanceReport, MemberReport, PoolReport,
    ReplicaReport, Severity, SlotReport, SourceReport, StatementReport, StatusDocument, Symptom,
};
pub use self::instances::InstanceSources;

/// A look that is at most this old is reused.
const FRESH: Duration = Duration::from_millis(900);

/// A finding without a look for this long counts as interrupted.
const GAP_MAX: Duration = Duration::from_secs(15);

/// The pause between two looks at an uncertain finding.
const SETTLE_GAP: Duration = Duration::from_millis(500);

/// When to stop looking.
const SETTLED_AFTER: Duration = Duration::from_secs(5);

/// The sources of the status.
#[derive(Debug)]
pub struct StatusSources {
    /// Addresses of Patroni.
    pub patroni: Vec<Url>,
    /// PostgreSQL, with a role that may read statistics.
    pub monitor: Option<DatabaseUrl>,
    /// The servers.
    pub instances: InstanceSources,
}

/// Queries the sources, and remembers how long each fault has been seen.
#[derive(Debug)]
pub struct Gatherer {
    fetch: Fetch,
    patroni: Vec<Url>,
    monitor: Option<Monitor>,
    instances: InstanceSources,
    history: Mutex<History>,
    last: tokio::sync::Mutex<Option<(Instant, Arc<StatusDocument>)>>,
}

/// The findings of the last look, with their start.
#[derive(Debug, Default)]
struct History {
    looked: Option<Instant>,
    since: HashMap<FindingKey, Instant>,
    /// The start of the oldest finding that does not count yet.
    pending: Option<Instant>,
    rates: Rates,
}

/// The name, subject and mark of a finding.
type FindingKey = (&'static str, Option<String>, String);

impl Gatherer {
    /// Does not query anything yet.
    ///
    /// # Errors
    /// The HTTP client cannot be created.
    pub fn new(sources: StatusSources) -> anyhow::Result<Self> {
        let StatusSources { patroni, monitor, instances } = sources;
        Ok(Self {
            fetch: Fetch::new()?,
            patroni,
            monitor: monitor.map(Monitor::new),
            instances,
            history: Mutex::default(),
            last: tokio::sync::Mutex::default(),
        })
    }

    /// Queries all sources, at most once a second for all callers.
    pub async fn look(&self) -> Arc<StatusDocument> {
        let mut last = self.last.lock().await;
        if let Some((at, document)) = &*last
            && at.elapsed() < FRESH
        {
            return Arc::clone(document);
        }
        let document = Arc::new(self.gather().await);
        *last = Some((Instant::now(), Arc::clone(&document)));
        document
    }

    /// The same for a single status: looks again for some seconds, while a finding has not been seen long enough to
    /// count.
    pub async fn look_until_settled(&self) -> StatusDocument {
        let mut document = self.gather().await;
        let first = Instant::now();
        // Later findings are new, such as the next position of a replica that replays.
        while self.history().pending.is_some_and(|since| since <= first) && first.elapsed() < SETTLED_AFTER {
            tokio::time::sleep(SETTLE_GAP).await;
            document = self.gather().await;
        }
        document
    }

    async fn gather(&self) -> StatusDocument {
        let patroni: OptionFuture<_> =
            (!self.patroni.is_empty()).then(|| patroni::ask(&self.fetch, &self.patroni)).into();
        let monitor: OptionFuture<_> = self.monitor.as_ref().map(Monitor::ask).into();
        let (patroni, monitor, instances) =
            tokio::join!(patroni, monitor, instances::ask(&self.fetch, &self.instances));
        let sources = vec![self.patroni_source(&patroni), self.monitor_source(&monitor), self.instances_source()];
        let answers = patroni.and_then(Result::ok);
        let database = monitor.and_then(|statistics| statistics.database);
        let mut found = Vec::new();
        if let Some(answers) = &answers {
            judge::judge_cluster(&answers.cluster, &answers.nodes, database.as_ref(), &mut found);
        }
        if let Some(database) = &database {
            judge::judge_database(database, answers.is_some(), &mut found);
        }
        judge::judge_instances(&instances, &mut found);
        let symptoms = self.remember(&instances, found);
        StatusDocument {
            at: clock::now(),
            is_well: symptoms.is_empty() && sources.iter().all(|source| source.trouble.is_none()),
            symptoms,
            sources,
            cluster: answers.map(|answers| answers.cluster),
            instances,
            database,
        }
    }

    /// The findings that were seen long enough.
    fn remember(&self, instances: &[InstanceReport], mut found: Vec<Finding>) -> Vec<Symptom> {
        let (mut history, now) = (self.history(), Instant::now());
        if history.looked.replace(now).is_some_and(|looked| now.duration_since(looked) > GAP_MAX) {
            history.since.clear();
            history.rates.clear();
        }
        history.rates.judge(instances, now, &mut found);
        let mut since = HashMap::new();
        let mut symptoms: Vec<Symptom> = Vec::new();
        history.pending = None;
        for finding in found {
            let key = (finding.name, finding.subject.clone(), finding.mark.clone());
            let first = history.since.get(&key).copied().unwrap_or(now);
            since.insert(key, first);
            let age = now.duration_since(first);
            if age < finding.after {
                if finding.after > SETTLED_AFTER {
                    continue;
                }
                history.pending = Some(history.pending.map_or(first, |pending| pending.min(first)));
                continue;
            }
            // A replica that does not replay lags because of that.
            let is_explained = finding.name.starts_with("ReplicaLagging")
                && symptoms.iter().any(|other| other.name == "ReplayStopped" && other.subject == finding.subject);
            if !is_explained {
                symptoms.push(finding.into_symptom(age));
            }
        }
        history.since = since;
        symptoms.sort_by_key(|symptom| symptom.severity);
        symptoms
    }

    fn history(&self) -> std::sync::MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn patroni_source(&self, answers: &Option<Result<patroni::PatroniAnswers, String>>) -> SourceReport {
        let addresses: Vec<_> = self.patroni.iter().map(|address| address.as_str().trim_end_matches('/')).collect();
        let trouble = answers
            .as_ref()
            .and_then(|answers| answers.as_ref().err())
            .map(|why| (format!("Patroni does not answer ({why})"), "start it, or correct --patroni-url".to_owned()));
        source("patroni", (!addresses.is_empty()).then(|| addresses.join(", ")), trouble)
    }

    fn monitor_source(&self, statistics: &Option<Statistics>) -> SourceReport {
        let trouble = statistics.as_ref().and_then(|statistics| statistics.trouble.clone());
        source("monitor", self.monitor.as_ref().map(Monitor::name), trouble)
    }

    /// A server that does not respond is a symptom, and the others are still shown.
    fn instances_source(&self) -> SourceReport {
        let address = match &self.instances {
            InstanceSources::At(addresses) => {
                addresses.iter().map(|address| address.as_str().trim_end_matches('/')).collect::<Vec<_>>().join(", ")
            }
            InstanceSources::Own(name, _) => name.clone(),
        };
        source("instances", Some(address), None)
    }
}

fn source(name: &'static str, address: Option<String>, trouble: Option<(String, String)>) -> SourceReport {
    let (trouble, remedy) = trouble.unzip();
    SourceReport { name, address, trouble, remedy }
}

impl Finding {
    fn into_symptom(self, age: Duration) -> Symptom {
        let guide = self.guide();
        let Self { name, severity, subject, text, effect, .. } = self;
        Symptom { name, severity, subject, text, effect, for_s: age.as_secs(), guide }
    }
}

impl Overview for Gatherer {
    fn overview(&self) -> BoxFuture<'_, ApiResult<Vec<u8>>> {
        Box::pin(async {
            let document = self.look().await;
            serde_json::to_vec(&*document)
                .map_err(|error| ApiError::Internal(format!("the status cannot be written as JSON: {error}")))
        })
    }
}
