//! The memory and processor time of a process on Linux.

#![allow(dead_code, reason = "each attack uses a part")]

use std::time::Duration;

/// Clock ticks per second in `/proc`, a constant of Linux since 2.4.
const TICKS_PER_S: u64 = 100;

/// Memory and processor time of a process.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// Current resident memory in MiB.
    pub memory_mib: u64,
    /// Peak of resident memory in MiB.
    pub peak_mib: u64,
    /// Processor time of all threads.
    pub processor: Duration,
}

impl Usage {
    /// Reads the values of a running process.
    pub fn of(process: u32) -> Self {
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
        let mib = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name)).unwrap();
            line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
        };
        let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
        // The name before it may contain spaces. `utime` and `stime` are fields 14 and 15.
        let fields: Vec<_> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        Self {
            memory_mib: mib("VmRSS:"),
            peak_mib: mib("VmHWM:"),
            processor: Duration::from_millis(ticks * 1000 / TICKS_PER_S),
        }
    }
}

/// A parameter of an attack: `short` by default, `long` with `KINOTEKA_LONG`.
pub fn sized(short: usize, long: usize) -> usize {
    if std::env::var_os("KINOTEKA_LONG").is_some() { long } else { short }
}
