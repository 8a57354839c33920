//! The processor time of a process and its children on Linux.

use std::time::Duration;

/// Linux reports processor time in hundredths of a second.
const TICK: Duration = Duration::from_millis(10);

/// The processor time of a process and its descendants so far.
pub fn time_of(process: u32) -> Duration {
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let id: u32 = entry.unwrap().file_name().to_str()?.parse().ok()?;
        // The process may have ended.
        Some((id, std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?))
    });
    let ticks = processes.map(|(id, stat)| {
        // The name in parentheses may contain any character.
        let fields: Vec<u64> =
            stat.rsplit(')').next().unwrap().split(' ').map(|field| field.parse().unwrap_or(0)).collect();
        let (parent, own, ended) = (fields[2], fields[12] + fields[13], fields[14] + fields[15]);
        match (id == process, parent == u64::from(process)) {
            (true, _) => own + ended,
            (_, true) => own,
            _ => 0,
        }
    });
    TICK * u32::try_from(ticks.sum::<u64>()).unwrap()
}
