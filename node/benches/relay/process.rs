use std::fs;
use std::thread::available_parallelism;

use anyhow::{Context, Result};
use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_setaffinity};

/// The unit of times in /proc, the same on every Linux (time(7), USER_HZ).
const TICKS_PER_SECOND: f64 = 100.0;

/// The processor time that a process has used in user and kernel mode, in seconds.
pub(crate) fn cpu_seconds(pid: u32) -> Result<f64> {
    /// The name is field 2 of proc(5), so the first one behind it is field 3, and utime is field 14.
    const UTIME: usize = 14 - 3;
    let path = format!("/proc/{pid}/stat");
    let stat = fs::read_to_string(&path).with_context(|| format!("{path}: the process has ended"))?;
    let (_, fields) = stat.rsplit_once(')').with_context(|| format!("{path} is not as in proc(5)"))?;
    let times = fields.split_whitespace().skip(UTIME).take(2);
    let ticks: u64 = times.filter_map(|field| field.parse::<u64>().ok()).sum();
    Ok(ticks as f64 / TICKS_PER_SECOND)
}

/// Gives a process the last processor to itself, as far as this program goes: what it takes there is its own, and what
/// the kernel does when something arrives for it is booked on whoever sent that.
pub(crate) fn set_apart(pid: u32) -> Result<()> {
    let Some(last) = processors().checked_sub(1).filter(|last| *last > 0) else { return Ok(()) };
    let mut apart = CpuSet::new();
    apart.set(last);
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let name = task?.file_name();
        let id = name.to_string_lossy().parse().ok().and_then(Pid::from_raw);
        sched_setaffinity(id, &apart)?;
    }
    Ok(())
}

/// Keeps this thread, and those that it starts, off the processor that is set apart.
pub(crate) fn stay_beside() -> Result<()> {
    let mut beside = CpuSet::new();
    (0..processors().saturating_sub(1).max(1)).for_each(|processor| beside.set(processor));
    Ok(sched_setaffinity(None, &beside)?)
}

fn processors() -> usize {
    // Counted once: it would be fewer after one has been left.
    static PROCESSORS: std::sync::OnceLock<usize> = std::sync::OnceLock::new();
    *PROCESSORS.get_or_init(|| available_parallelism().map_or(1, usize::from))
}
