//! Finds faults. They have the names of the alerts, so that one section of `docs/monitoring.md` serves both.
//!
//! Each finding must be seen for some time before it counts: a commit may wait for a moment, and a program may respond
//! late once.

use std::time::Duration;

use super::document::{ClusterReport, DatabaseReport, InstanceReport, MemberReport, Severity};
use super::patroni::NodeAnswer;
use super::units::show_bytes;

/// The number of bytes that a replica may lack. HAProxy of `deploy/local` uses it up to this lag.
const LAG_BYTES_MAX: u64 = 16 << 20;

/// The maximum age of a replica's data in seconds.
const LAG_S_MAX: f64 = 10.0;

/// The maximum size of WAL that is retained for a replica.
const KEPT_BYTES_MAX: i64 = 1 << 30;

/// The maximum time in seconds for which a transaction may delay comments.
const HELD_BACK_S_MAX: f64 = 10.0;

/// The time without any reader of the feed after which it is absent: longer than the longest --feed-poll-ms.
const UNREAD_MAX: Duration = Duration::from_secs(75);

const AT_ONCE: Duration = Duration::ZERO;
const SOON: Duration = Duration::from_secs(2);

/// The longest time for which a finding must be seen.
const LATER: Duration = Duration::from_secs(3);

/// A possible fault.
#[derive(Debug)]
pub(super) struct Finding {
    pub(super) name: &'static str,
    pub(super) severity: Severity,
    pub(super) subject: Option<String>,
    pub(super) text: String,
    pub(super) effect: &'static str,
    /// How long it must be seen.
    pub(super) after: Duration,
    /// What stays the same while it lasts, in addition to name and subject.
    pub(super) mark: String,
}

impl Finding {
    fn new(name: &'static str, severity: Severity, text: String, effect: &'static str) -> Self {
        Self { name, severity, subject: None, text, effect, after: AT_ONCE, mark: String::new() }
    }

    pub(super) fn critical(name: &'static str, text: impl Into<String>, effect: &'static str) -> Self {
        Self::new(name, Severity::Critical, text.into(), effect)
    }

    pub(super) fn warning(name: &'static str, text: impl Into<String>, effect: &'static str) -> Self {
        Self::new(name, Severity::Warning, text.into(), effect)
    }

    pub(super) fn of(self, subject: &str) -> Self {
        Self { subject: Some(subject.to_owned()), ..self }
    }

    fn after(self, after: Duration) -> Self {
        Self { after, ..self }
    }

    /// The instructions for it.
    pub(super) fn guide(&self) -> String {
        format!("docs/monitoring.md#{}", self.name.to_lowercase())
    }
}

/// Checks the cluster. `nodes` are the members' own responses.
pub(super) fn judge_cluster(
    cluster: &ClusterReport,
    nodes: &[Option<NodeAnswer>],
    database: Option<&DatabaseReport>,
    found: &mut Vec<Finding>,
) {
    let leads = |member: &MemberReport| matches!(&*member.role, "leader" | "standby_leader");
    if !cluster.members.iter().any(|member| leads(member) && member.state == "running") {
        let effect = "Queries continue on replicas. Changes wait, and then fail with UNAVAILABLE.";
        found.push(Finding::critical("NoLeader", "No member leads.", effect).after(SOON));
    }
    let writable = |node: &NodeAnswer| node.state == "running" && matches!(&*node.role, "primary" | "master");
    if nodes.iter().flatten().filter(|node| writable(node)).count() > 1 {
        let effect = "Both may acknowledge changes, and one side's changes will be lost.";
        found.push(Finding::critical("TwoLeaders", "Several members accept changes.", effect).after(SOON));
    }
    if nodes.iter().flatten().any(|node| node.failsafe_mode_is_active) {
        let text = "Patroni cannot reach etcd. The leader continues as long as it reaches all members.";
        let effect = "None yet. If a member fails now, the cluster loses its leader.";
        found.push(Finding::critical("FailsafeActive", text, effect));
    }
    for (member, node) in cluster.members.iter().zip(nodes) {
        judge_member(member, node.as_ref(), found);
        if !leads(member) && member.silence.is_none() {
            let name = &member.name;
            let seen = database.and_then(|database| database.replicas.iter().find(|replica| replica.name == *name));
            let replay = Replay {
                received: member.receive_lsn.as_deref(),
                replayed: member.replay_lsn.as_deref(),
                lag_bytes: member.replay_lag_bytes,
                lag_s: seen.and_then(|replica| replica.replay_lag_s),
                is_paused: member.is_replay_paused,
            };
            judge_replay(name, &replay, found);
        }
    }
}

fn judge_member(member: &MemberReport, node: Option<&NodeAnswer>, found: &mut Vec<Finding>) {
    let name = &member.name;
    let one_less =
        "If it led, another member is promoted. If it was a replica, the cluster tolerates one failure less.";
    let Some(node) = node else {
        let why = member.silence.as_deref().unwrap_or_default();
        let text = format!("Patroni of {name} does not answer: {why}.");
        found.push(Finding::critical("MemberDown", text, one_less).of(name).after(SOON));
        return;
    };
    if node.state != "running" {
        let text = format!("PostgreSQL of {name} does not run: Patroni says \"{}\".", node.state);
        found.push(Finding::critical("PostgresDown", text, one_less).of(name).after(SOON));
    } else if node.role == "replica" && node.replication_state.as_deref().is_some_and(|state| state != "streaming")
        || node.role == "replica" && node.replication_state.is_none() && member.state != "streaming" && is_new(member)
    {
        let text = format!("{name} receives nothing from the leader: it is \"{}\".", member.state);
        let effect = "Reads from it are outdated. It cannot be promoted without loss.";
        found.push(Finding::warning("ReplicaNotStreaming", text, effect).of(name).after(LATER));
    }
}

/// Whether its Patroni reports what a replica does.
fn is_new(member: &MemberReport) -> bool {
    let major = member.patroni_version.as_deref().and_then(|version| version.split('.').next()?.parse::<u32>().ok());
    major.is_some_and(|major| major >= 4)
}

/// The replay position of a replica.
struct Replay<'r> {
    received: Option<&'r str>,
    replayed: Option<&'r str>,
    lag_bytes: Option<u64>,
    lag_s: Option<f64>,
    is_paused: bool,
}

fn judge_replay(name: &str, replay: &Replay<'_>, found: &mut Vec<Finding>) {
    let old = "Reads from it are outdated. It still counts for commits, because it receives changes.";
    if replay.is_paused {
        let text = format!("Replay of {name} is paused.");
        found.push(Finding::warning("ReplayStopped", text, old).of(name));
        return;
    }
    if let (Some(received), Some(replayed)) = (replay.received, replay.replayed)
        && received != replayed
    {
        let lacks = replay.lag_bytes.map(|bytes| format!(", {} behind", show_bytes(bytes as f64))).unwrap_or_default();
        let text = format!("{name} receives changes and replays none: it stays at {replayed}{lacks}.");
        let finding = Finding::warning("ReplayStopped", text, old).of(name).after(LATER);
        found.push(Finding { mark: replayed.to_owned(), ..finding });
    }
    let late = "Reads from it are outdated.";
    if let Some(bytes) = replay.lag_bytes.filter(|bytes| *bytes > LAG_BYTES_MAX) {
        let text = format!("{name} is {} behind the leader.", show_bytes(bytes as f64));
        found.push(Finding::warning("ReplicaLaggingBytes", text, late).of(name).after(LATER));
    }
    if let Some(seconds) = replay.lag_s.filter(|seconds| *seconds > LAG_S_MAX) {
        let text = format!("The data of {name} is {seconds:.0} s old.");
        found.push(Finding::warning("ReplicaLaggingSeconds", text, late).of(name).after(LATER));
    }
}

/// Checks PostgreSQL's statistics. Replicas are checked here if Patroni does not report them.
pub(super) fn judge_database(database: &DatabaseReport, has_patroni: bool, found: &mut Vec<Finding>) {
    for replica in database.replicas.iter().filter(|_| !has_patroni) {
        let replay = Replay {
            received: replica.receive_lsn.as_deref(),
            replayed: replica.replay_lsn.as_deref(),
            lag_bytes: replica.replay_lag_bytes.and_then(|bytes| u64::try_from(bytes).ok()),
            lag_s: replica.replay_lag_s,
            is_paused: false,
        };
        judge_replay(&replica.name, &replay, found);
    }
    for slot in database.slots.iter().filter(|slot| slot.kept_bytes > KEPT_BYTES_MAX) {
        let text = format!("{} of WAL are kept for slot {}.", show_bytes(slot.kept_bytes as f64), slot.name);
        let effect = "Nothing until the disk is full. Then PostgreSQL stops.";
        found.push(Finding::warning("SlotKeepsWal", text, effect).of(&slot.name));
    }
}

/// Checks the API servers.
pub(super) fn judge_instances(instances: &[InstanceReport], found: &mut Vec<Finding>) {
    for instance in instances {
        judge_instance(instance, found);
    }
    let feeds: Vec<_> = instances.iter().filter_map(|instance| instance.feed.as_ref()).collect();
    if !feeds.is_empty() {
        let polls: f64 = feeds.iter().map(|feed| feed.polls).sum();
        let (text, effect) =
            ("No server reads the feed.", "Listeners get no new comments. They miss nothing: they get them later.");
        let finding = Finding::critical("SequencerAbsent", text, effect).after(UNREAD_MAX);
        found.push(Finding { mark: polls.to_string(), ..finding });
    }
    let seen = |instance: &&InstanceReport| instance.is_leader_known.is_some();
    let leaders = instances.iter().filter(seen).map(|one| one.timeline.filter(|_| one.is_leader_known == Some(true)));
    let mut leaders: Vec<_> = leaders.collect();
    leaders.sort_unstable();
    leaders.dedup();
    if leaders.len() > 1 {
        let text = "Servers see leaders on different timelines, or some see none.";
        let effect = "Changes that some of them acknowledge may be lost.";
        found.push(Finding::critical("InstancesDisagree", text, effect).after(LATER));
    }
}

fn judge_instance(instance: &InstanceReport, found: &mut Vec<Finding>) {
    let (name, why) = (&instance.name, instance.reason.as_deref().unwrap_or_default());
    match instance.readiness.as_deref() {
        Some("full") => {}
        Some("read-only") => {
            let text = format!("{name} is read-only: {why}.");
            let effect = "Queries are served. Changes wait, and then fail with UNAVAILABLE.";
            found.push(Finding::warning("InstanceReadOnly", text, effect).of(name).after(SOON));
        }
        state => {
            let text = match state {
                Some(_) => format!("{name} serves nothing: {why}."),
                None => format!("{name} does not answer: {why}."),
            };
            let effect = "The balancer sends its requests to the others.";
            found.push(Finding::critical("InstanceDown", text, effect).of(name).after(SOON));
            return;
        }
    }
    if let Some(feed) = &instance.feed {
        if !feed.is_connected {
            let text = format!("The feed of {name} cannot read the database.");
            let effect = "Its listeners get no new events now. They get all of them later.";
            found.push(Finding::critical("FeedAway", text, effect).of(name).after(SOON));
        }
        if feed.held_back_s > HELD_BACK_S_MAX {
            let text = format!("Comments have waited behind an open transaction for {:.0} s.", feed.held_back_s);
            found.push(Finding::warning("FeedHeldBack", text, "Listeners get comments late.").of(name));
        }
    }
    // SQLite has one connection for changes.
    for pool in instance.pools.iter().filter(|pool| pool.max > 1.0 && pool.in_use >= pool.max) {
        let text = format!("All {} connections of pool {} of {name} are in use.", pool.max, pool.name);
        let finding = Finding::warning("PoolExhausted", text, "Requests wait for a connection.").of(name);
        found.push(Finding { mark: pool.name.clone(), ..finding.after(LATER) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::FeedReport;

    fn server(polls: f64) -> InstanceReport {
        let feed = FeedReport {
            is_connected: true,
            polls,
            is_by_tick: true,
            listeners: 0.0,
            deliveries: 0.0,
            held_back_s: 0.0,
        };
        InstanceReport { readiness: Some("full".to_owned()), feed: Some(feed), ..InstanceReport::default() }
    }

    #[test]
    fn a_feed_is_absent_when_nobody_reads_it_for_long() {
        let found = |polls: [f64; 2]| {
            let mut found = Vec::new();
            judge_instances(&polls.map(server), &mut found);
            let marks = found.iter().filter(|one| one.name == "SequencerAbsent" && one.after == UNREAD_MAX);
            let marks: Vec<_> = marks.map(|one| one.mark.clone()).collect();
            assert!(marks.len() == 1 && found.len() == 1, "{found:?}");
            marks
        };
        assert_eq!(found([7.0, 9.0]), found([7.0, 9.0]), "the same fault as before");
        assert_ne!(found([7.0, 9.0]), found([7.0, 10.0]), "one reads");
        let mut found = Vec::new();
        judge_instances(
            &[InstanceReport { readiness: Some("full".to_owned()), ..InstanceReport::default() }],
            &mut found,
        );
        assert!(found.is_empty(), "{found:?}");
    }
}
