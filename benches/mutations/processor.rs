//! Processor time of a process and of its children, as Linux counts it.

use std::time::Duration;

/// Linux counts processor time in hundredths of a second for programs, whatever its own clock is.
const TICK: Duration = Duration::from_millis(10);

/// What a process, and all that it has started, have taken so far.
pub fn time_of(process: u32) -> Duration {
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let id: u32 = entry.unwrap().file_name().to_str()?.parse().ok()?;
        // It may end at this moment.
        Some((id, std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?))
    });
    let ticks = processes.map(|(id, stat)| {
        // The name before stands in parentheses, and may hold anything.
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
