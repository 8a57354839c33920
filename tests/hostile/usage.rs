//! What a process has used, as Linux counts it.

#![allow(dead_code, reason = "each attack uses a part")]

use std::time::Duration;

/// Clock ticks a second in `/proc`: Linux has had no other number for programs since 2.4.
const TICKS_PER_S: u64 = 100;

/// Memory and processor time of a process.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// Resident memory now, in MiB.
    pub memory_mib: u64,
    /// The most that it ever was, in MiB.
    pub peak_mib: u64,
    /// Processor time of all its threads.
    pub processor: Duration,
}

impl Usage {
    /// Reads it for a process that runs.
    pub fn of(process: u32) -> Self {
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
        let mib = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name)).unwrap();
            line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
        };
        let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
        // The name before it may hold blanks; `utime` and `stime` are the fields 14 and 15.
        let fields: Vec<_> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        Self {
            memory_mib: mib("VmRSS:"),
            peak_mib: mib("VmHWM:"),
            processor: Duration::from_millis(ticks * 1000 / TICKS_PER_S),
        }
    }
}

/// A number of an attack: `short` usually, `long` under `KINOTEKA_LONG`.
pub fn sized(short: usize, long: usize) -> usize {
    if std::env::var_os("KINOTEKA_LONG").is_some() { long } else { short }
}
