//! The document as text for a terminal. The caller removes the colours if the output is not a terminal.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};

use super::document::{
    ClusterReport, DatabaseReport, InstanceReport, MemberReport, Severity, SourceReport, StatusDocument, Symptom,
};
use super::units::show_bytes;

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();
const DOUBTFUL: Style = AnsiColor::Yellow.on_default();
const QUIET: Style = Style::new().dimmed();
const PLAIN: Style = Style::new();

/// The number of characters of a statement that are shown.
const QUERY_LENGTH: usize = 90;

/// A cell with its style.
struct Cell(String, Style);

fn cell(text: impl ToString) -> Cell {
    Cell(text.to_string(), PLAIN)
}

/// An unknown value is an empty cell.
fn maybe(value: Option<impl ToString>) -> Cell {
    cell(value.map(|value| value.to_string()).unwrap_or_default())
}

/// The document as text.
pub fn print(document: &StatusDocument) -> String {
    let mut text = String::new();
    if let Some(cluster) = &document.cluster {
        print_cluster(cluster, &mut text);
    }
    print_instances(&document.instances, &mut text);
    if let Some(database) = &document.database {
        print_database(database, &mut text);
    }
    for source in document.sources.iter().filter(|source| source.address.is_none() || source.trouble.is_some()) {
        print_source(source, &mut text);
    }
    for symptom in &document.symptoms {
        print_symptom(symptom, &mut text);
    }
    if document.is_well {
        line(&mut text, GOOD, "Nothing is wrong.");
    }
    text
}

fn print_cluster(cluster: &ClusterReport, text: &mut String) {
    let identifier = cluster.system_identifier.as_ref().map(|id| format!(" ({id})")).unwrap_or_default();
    let title = format!("Cluster: {}{identifier}", cluster.scope);
    let headers = ["Member", "Host", "Role", "State", "TL", "Receive LSN", "Lag", "Replay LSN", "Lag", "Restart"];
    let rows = cluster.members.iter().map(member_row).collect();
    table(text, &title, &headers, rows);
    if cluster.is_paused {
        line(text, DOUBTFUL, "Maintenance mode: Patroni does not promote replicas. `patronictl resume` ends it.");
    }
}

/// A row of the list of members.
fn member_row(member: &MemberReport) -> Vec<Cell> {
    let state = match &*member.state {
        _ if member.silence.is_some() => Cell(format!("{}?", member.state), BAD),
        "running" | "streaming" => Cell(member.state.clone(), GOOD),
        _ => Cell(member.state.clone(), BAD),
    };
    let lag = |bytes: Option<u64>| match bytes {
        Some(0) | None => maybe(bytes),
        Some(bytes) => Cell(show_bytes(bytes as f64), if bytes > 1 << 20 { BAD } else { DOUBTFUL }),
    };
    vec![
        cell(&member.name),
        cell(&member.host),
        cell(title_case(&member.role)),
        state,
        maybe(member.timeline),
        maybe(member.receive_lsn.as_ref()),
        lag(member.receive_lag_bytes),
        maybe(member.replay_lsn.as_ref()),
        lag(member.replay_lag_bytes),
        Cell(if member.is_restart_pending { "pending" } else { "" }.to_owned(), DOUBTFUL),
    ]
}

fn print_instances(instances: &[InstanceReport], text: &mut String) {
    let headers =
        ["Server", "State", "Version", "TL", "Replica lag", "Operations", "Errors", "Memory", "Listeners", "Feed"];
    let rows = instances.iter().map(|instance| {
        let state = match instance.readiness.as_deref() {
            Some("full") => Cell("full".to_owned(), GOOD),
            Some("read-only") => Cell("read-only".to_owned(), DOUBTFUL),
            state => Cell(state.unwrap_or("no response").to_owned(), BAD),
        };
        let feed = instance.feed.as_ref();
        // Without a response, the counts are unknown.
        let counted = |count| maybe(instance.readiness.as_ref().map(|_| count));
        vec![
            cell(&instance.name),
            state,
            maybe(instance.version.as_ref()),
            maybe(instance.timeline),
            maybe(instance.replica_lag_s.map(|lag| format!("{lag:.1} s"))),
            counted(instance.operations),
            counted(instance.errors),
            maybe(instance.memory_bytes.map(show_bytes)),
            maybe(feed.map(|feed| feed.listeners)),
            match feed.map(|feed| feed.is_connected) {
                Some(true) => Cell("connected".to_owned(), GOOD),
                Some(false) => Cell("away".to_owned(), BAD),
                None => cell(""),
            },
        ]
    });
    table(text, "Servers", &headers, rows.collect());
    let pools = instances.iter().flat_map(|instance| instance.pools.iter().map(move |pool| (instance, pool)));
    let rows = pools.map(|(instance, pool)| {
        let is_full = pool.max > 1.0 && pool.in_use >= pool.max;
        let in_use = Cell(pool.in_use.to_string(), if is_full { BAD } else { PLAIN });
        vec![cell(&instance.name), cell(&pool.name), in_use, cell(pool.open), cell(pool.max)]
    });
    table(text, "Pools", &["Server", "Pool", "In use", "Open", "Max"], rows.collect());
}

fn print_database(database: &DatabaseReport, text: &mut String) {
    let connections = &database.connections;
    line(
        text,
        PLAIN,
        &format!(
            "PostgreSQL {}, database {}, {}; connections: {} of {}, {} active, {} idle, {} idle in a transaction, {} wait \
             for locks",
            database.version,
            database.name,
            show_bytes(database.size_bytes as f64),
            connections.total,
            connections.max,
            connections.active,
            connections.idle,
            connections.idle_in_transaction,
            connections.waiting_for_locks,
        ),
    );
    let rows = database.replicas.iter().map(|replica| {
        vec![
            cell(&replica.name),
            cell(&replica.state),
            cell(&replica.sync_state),
            maybe(replica.receive_lag_bytes.map(|bytes| show_bytes(bytes as f64))),
            maybe(replica.replay_lag_bytes.map(|bytes| show_bytes(bytes as f64))),
            maybe(replica.replay_lag_s.map(|lag| format!("{lag:.1} s"))),
        ]
    });
    let headers = ["Replica", "State", "Sync", "Not received", "Not replayed", "Replay lag"];
    table(text, "Replication", &headers, rows.collect());
    let rows = database.statements.iter().flatten().map(|statement| {
        vec![
            cell(format!("{:.1} s", statement.total_s)),
            cell(statement.calls),
            cell(format!("{:.2} ms", statement.mean_ms)),
            cell(statement.rows),
            cell(statement.query.chars().take(QUERY_LENGTH).collect::<String>()),
        ]
    });
    table(text, "Statements by time", &["Total", "Calls", "Mean", "Rows", "Statement"], rows.collect());
}

fn print_source(source: &SourceReport, text: &mut String) {
    match (&source.trouble, &source.remedy) {
        (Some(trouble), remedy) => {
            let remedy = remedy.as_deref().unwrap_or_default();
            line(text, BAD, &format!("{}: {trouble}; {remedy}", source.name));
        }
        _ => {
            let flag = if source.name == "patroni" { "--patroni-url" } else { "--monitor-url" };
            line(text, QUIET, &format!("{}: not configured; {flag} names it", source.name));
        }
    }
}

fn print_symptom(symptom: &Symptom, text: &mut String) {
    let (word, style) = match symptom.severity {
        Severity::Critical => ("critical", BAD),
        Severity::Warning => ("warning", DOUBTFUL),
    };
    line(text, style, &format!("{word}: {}: {} {}", symptom.name, symptom.text, symptom.effect));
    line(text, PLAIN, &format!("    what to do: {}", symptom.guide));
}

/// A table as `patronictl` draws it. Omitted if it has no rows.
fn table(text: &mut String, title: &str, headers: &[&str], rows: Vec<Vec<Cell>>) {
    if rows.is_empty() {
        return;
    }
    let rows: Vec<Vec<Cell>> = rows
        .into_iter()
        .map(|row| row.into_iter().map(|Cell(text, style)| Cell(plain(&text), style)).collect())
        .collect();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|Cell(text, _)| text.chars().count());
        cells.max().unwrap_or_default().max(headers[column].len())
    };
    let widths: Vec<_> = (0..headers.len()).map(width).collect();
    let rule = widths.iter().map(|width| "-".repeat(width + 2)).collect::<Vec<_>>().join("+");
    let titled = format!(" {title} ");
    let rest: String = rule.chars().skip(titled.chars().count()).collect();
    let _ = writeln!(text, "+{titled}{rest}+");
    let headers = headers.iter().map(cell).collect();
    for (number, row) in std::iter::once(headers).chain(rows).enumerate() {
        for (Cell(shown, style), width) in row.iter().zip(&widths) {
            let padding = " ".repeat(width - shown.chars().count());
            let _ = write!(text, "| {style}{shown}{style:#}{padding} ");
        }
        text.push_str("|\n");
        if number == 0 {
            let _ = writeln!(text, "+{rule}+");
        }
    }
    let _ = writeln!(text, "+{rule}+");
}

fn line(text: &mut String, style: Style, words: &str) {
    let _ = writeln!(text, "{style}{}{style:#}", plain(words));
}

/// Removes control sequences: names and statements come from other programs.
fn plain(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}

/// `quorum_standby` becomes "Quorum Standby", as in `patronictl`.
fn title_case(role: &str) -> String {
    let words = role.split('_').map(|word| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_uppercase().chain(letters).collect::<String>()).unwrap_or_default()
    });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_those_of_patronictl() {
        let mut text = String::new();
        let rows = vec![vec![cell("n1"), Cell("running".to_owned(), PLAIN)], vec![cell("узел\n2"), cell("")]];
        table(&mut text, "Cluster: main", &["Member", "State"], rows);
        let expected = "+ Cluster: main ---+
| Member | State   |
+--------+---------+
| n1     | running |
| узел 2 |         |
+--------+---------+
";
        assert_eq!(text, expected);
    }

    #[test]
    fn roles_are_those_of_patronictl() {
        assert_eq!(["leader", "quorum_standby"].map(title_case), ["Leader", "Quorum Standby"]);
    }
}
