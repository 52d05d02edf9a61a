//! What the kernel knows of a process: time on the processor, and memory.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::Failure;

/// The unit of times in /proc, in hertz: a constant of the kernel's interface.
const USER_HZ: f64 = 100.0;

/// utime + stime of a process so far, in seconds, to a hundredth.
pub(crate) fn cpu_seconds(pid: u32) -> Result<f64, Failure> {
    let stat = read(pid, "stat")?;
    // The second field is the program's name, and may have blanks and parentheses in it.
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let mut fields = fields.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    match (ticks(), ticks()) {
        (Some(user), Some(system)) => Ok((user + system) / USER_HZ),
        _ => Err(format!("/proc/{pid}/stat: no times").into()),
    }
}

/// Resident memory of a process, in bytes: VmRSS.
pub(crate) fn resident(pid: u32) -> Result<f64, Failure> {
    status(pid, "VmRSS:")
}

/// Peak of it since [`forget_peak`], in bytes: VmHWM.
pub(crate) fn peak(pid: u32) -> Result<f64, Failure> {
    status(pid, "VmHWM:")
}

/// Makes the peak start again from what is resident now.
pub(crate) fn forget_peak(pid: u32) -> Result<(), Failure> {
    let path = path(pid, "clear_refs");
    std::fs::write(&path, "5").map_err(|error| format!("{}: {error}", path.display()).into())
}

/// The same figures over a stretch of time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    pub(crate) seconds: f64,
    pub(crate) cpu_seconds: f64,
    /// Median of one reading a second, in bytes.
    pub(crate) resident: f64,
}

/// Watches a process for `length`.
pub(crate) fn window(pid: u32, length: Duration) -> Result<Window, Failure> {
    let (begin, cpu) = (Instant::now(), cpu_seconds(pid)?);
    let mut residents = Vec::new();
    while let Some(left) = length.checked_sub(begin.elapsed()) {
        pause(left.min(Duration::from_secs(1)));
        residents.push(resident(pid)?);
    }
    Ok(Window {
        seconds: begin.elapsed().as_secs_f64(),
        cpu_seconds: cpu_seconds(pid)? - cpu,
        resident: median(residents),
    })
}

/// The value in the middle, or the mean of the two there; 0 of none.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => 0.0,
        odd if odd % 2 == 1 => values[odd / 2],
        even => f64::midpoint(values[even / 2 - 1], values[even / 2]),
    }
}

/// The least value that at least this share of all is not above; 0 of none.
pub(crate) fn percentile(mut values: Vec<f64>, share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let rank = (values.len() as f64 * share).ceil() as usize;
    let last = values.last().copied().unwrap_or_default();
    values.get(rank.saturating_sub(1)).copied().unwrap_or(last)
}

#[expect(
    clippy::disallowed_methods,
    reason = "time passing is what a benchmark waits for, on a thread with nothing else to do"
)]
pub(crate) fn pause(length: Duration) {
    std::thread::sleep(length);
}

fn status(pid: u32, field: &str) -> Result<f64, Failure> {
    let status = read(pid, "status")?;
    let value = status.lines().find_map(|line| line.strip_prefix(field));
    let kib = value.and_then(|value| value.trim().trim_end_matches(" kB").parse::<f64>().ok());
    kib.map(|kib| kib * 1024.0)
        .ok_or_else(|| format!("/proc/{pid}/status: no {field}").into())
}

fn read(pid: u32, file: &str) -> Result<String, Failure> {
    let path = path(pid, file);
    std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()).into())
}

fn path(pid: u32, file: &str) -> PathBuf {
    format!("/proc/{pid}/{file}").into()
}
