//! What Patroni reports: `GET /cluster` of the first address that responds, and `GET /patroni` of each member. The
//! second is current; the first may be as old as Patroni's `loop_wait`.

use futures_util::future::join_all;
use serde::Deserialize;
use serde_json::Value as Json;
use url::Url;

use super::document::{ClusterReport, MemberReport};
use super::fetch::{Fetch, below};

/// The response of `/cluster`.
#[derive(Debug, Deserialize)]
struct ClusterAnswer {
    members: Vec<MemberAnswer>,
    scope: Option<String>,
    #[serde(default)]
    pause: bool,
}

/// A member in it. An unknown lag is a string.
#[derive(Debug, Deserialize)]
struct MemberAnswer {
    name: String,
    role: String,
    state: String,
    api_url: Option<String>,
    #[serde(default)]
    host: String,
    port: Option<u16>,
    timeline: Option<i64>,
    receive_lsn: Option<String>,
    receive_lag: Option<Json>,
    replay_lsn: Option<String>,
    replay_lag: Option<Json>,
    /// The only one before Patroni 4.1.
    lag: Option<Json>,
    #[serde(default)]
    pending_restart: bool,
}

/// The response of `/patroni`.
#[derive(Debug, Default, Deserialize)]
pub(super) struct NodeAnswer {
    /// `running`, or why not.
    #[serde(default)]
    pub(super) state: String,
    /// `primary` or `replica`.
    #[serde(default)]
    pub(super) role: String,
    pub(super) replication_state: Option<String>,
    #[serde(default)]
    pub(super) failsafe_mode_is_active: bool,
    server_version: Option<u32>,
    timeline: Option<i64>,
    database_system_identifier: Option<String>,
    #[serde(default)]
    xlog: Positions,
    patroni: Option<PatroniAnswer>,
}

#[derive(Debug, Default, Deserialize)]
struct Positions {
    location: Option<u64>,
    received_location: Option<u64>,
    replayed_location: Option<u64>,
    replayed_timestamp: Option<String>,
    paused: Option<bool>,
}

#[derive(Debug, Deserialize)]
struct PatroniAnswer {
    version: Option<String>,
    scope: Option<String>,
}

/// The cluster, and each member's own report, in the same order.
pub(super) struct PatroniAnswers {
    pub(super) cluster: ClusterReport,
    pub(super) nodes: Vec<Option<NodeAnswer>>,
}

/// Queries Patroni.
///
/// # Errors
/// Why none of the addresses responds.
pub(super) async fn ask(fetch: &Fetch, addresses: &[Url]) -> Result<PatroniAnswers, String> {
    // Concurrently, so that hanging ones take one second in total.
    let asked = addresses.iter().map(|address| fetch.get_json::<ClusterAnswer>(below(address, "cluster")));
    let mut silent = Vec::new();
    let mut found = None;
    for (address, answer) in addresses.iter().zip(join_all(asked).await) {
        match answer {
            Ok(answer) if found.is_none() => found = Some(answer),
            Ok(_) => {}
            Err(reason) => silent.push(format!("{address}: {reason}")),
        }
    }
    let answer = found.ok_or_else(|| silent.join("; "))?;
    let nodes = join_all(answer.members.iter().map(|member| ask_member(fetch, member))).await;
    let leader = nodes.iter().flatten().find_map(|node| node.xlog.location);
    let first = |pick: fn(&NodeAnswer) -> Option<String>| nodes.iter().flatten().find_map(pick);
    let scope = first(|node| node.patroni.as_ref()?.scope.clone());
    let cluster = ClusterReport {
        scope: answer.scope.clone().or(scope).unwrap_or_default(),
        system_identifier: first(|node| node.database_system_identifier.clone()),
        is_paused: answer.pause,
        members: answer.members.iter().zip(&nodes).map(|(member, node)| report(member, node, leader)).collect(),
    };
    Ok(PatroniAnswers { cluster, nodes: nodes.into_iter().map(Result::ok).collect() })
}

async fn ask_member(fetch: &Fetch, member: &MemberAnswer) -> Result<NodeAnswer, String> {
    match member.api_url.as_deref().map(Url::parse) {
        Some(Ok(url)) => fetch.get_json(url).await,
        _ => Err("its address is not known".to_owned()),
    }
}

fn report(member: &MemberAnswer, node: &Result<NodeAnswer, String>, leader: Option<u64>) -> MemberReport {
    let nothing = NodeAnswer::default();
    let (own, silence) = match node {
        Ok(node) => (node, None),
        Err(reason) => (&nothing, Some(reason.clone())),
    };
    let lag = |position: Option<u64>, said: &Option<Json>| match (leader, position) {
        (Some(leader), Some(position)) => Some(leader.saturating_sub(position)),
        _ => said.as_ref().or(member.lag.as_ref()).and_then(Json::as_u64),
    };
    let lsn = |position: Option<u64>, said: &Option<String>| position.map(show_lsn).or_else(|| known(said));
    let Positions { location, received_location, replayed_location, .. } = own.xlog;
    let leads = location.is_some() || member.role == "leader";
    MemberReport {
        name: member.name.clone(),
        host: match member.port {
            Some(port) if !member.host.is_empty() => format!("{}:{port}", member.host),
            _ => member.host.clone(),
        },
        role: member.role.clone(),
        state: state_of(member, own),
        timeline: own.timeline.or(member.timeline),
        receive_lsn: lsn(location.or(received_location), &member.receive_lsn),
        receive_lag_bytes: if leads { None } else { lag(received_location, &member.receive_lag) },
        replay_lsn: if leads { None } else { lsn(replayed_location, &member.replay_lsn) },
        replay_lag_bytes: if leads { None } else { lag(replayed_location, &member.replay_lag) },
        is_replay_paused: own.xlog.paused.unwrap_or_default(),
        replayed_at: own.xlog.replayed_timestamp.clone(),
        is_restart_pending: member.pending_restart,
        postgres_version: own.server_version.map(show_version),
        patroni_version: own.patroni.as_ref().and_then(|patroni| patroni.version.clone()),
        silence,
    }
}

/// The state as Patroni lists it: what a replica does, if it runs.
fn state_of(member: &MemberAnswer, own: &NodeAnswer) -> String {
    match (&own.replication_state, &*own.state) {
        (Some(replication), "running") if member.role != "leader" => replication.clone(),
        (_, "") => member.state.clone(),
        // Patroni 4.1 and later call it "streaming", earlier ones "running".
        (None, "running") => member.state.clone(),
        (_, state) => state.to_owned(),
    }
}

fn known(lsn: &Option<String>) -> Option<String> {
    lsn.clone().filter(|lsn| lsn != "unknown")
}

fn show_lsn(position: u64) -> String {
    format!("{:X}/{:X}", position >> 32, position & 0xffff_ffff)
}

/// Formats a version: 150020 is 15.20.
fn show_version(number: u32) -> String {
    format!("{}.{}", number / 10_000, number % 10_000)
}
