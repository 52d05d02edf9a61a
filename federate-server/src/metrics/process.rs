//! `process_*`: what the operating system says of this process. Linux only; elsewhere there are none.

use std::fs;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

/// Clock ticks a second in what Linux tells programs, on every architecture that Rust's std has.
const TICKS_PER_SECOND: f64 = 100.0;

/// Reads `/proc` whenever it is asked.
#[derive(Debug, Clone, Copy, Default)]
pub struct ProcessMetrics;

impl ProcessMetrics {
    /// Registers `process_cpu_seconds_total`, `process_resident_memory_bytes`, `process_virtual_memory_bytes`,
    /// `process_open_fds`, `process_max_fds` and `process_start_time_seconds`.
    pub fn register(self, registry: &mut Registry) {
        registry.register_collector(Box::new(self));
    }
}

impl Collector for ProcessMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let mut gauge = |name: &str, help: &str, value: Option<f64>| match value {
            Some(value) => gauge(&mut encoder, name, help, value),
            None => Ok(()),
        };
        let status = read("/proc/self/status");
        let bytes = |key: &str| kilobytes(&status, key).map(|kilobytes| kilobytes * 1024.0);
        gauge(
            "process_resident_memory_bytes",
            "Resident memory in bytes",
            bytes("VmRSS:"),
        )?;
        gauge(
            "process_virtual_memory_bytes",
            "Virtual memory in bytes",
            bytes("VmSize:"),
        )?;
        gauge(
            "process_open_fds",
            "Number of open file descriptors",
            open_fds(),
        )?;
        let limits = read("/proc/self/limits");
        gauge(
            "process_max_fds",
            "Maximum number of open file descriptors",
            max_fds(&limits),
        )?;
        let times = Times::parse(&read("/proc/self/stat"));
        let start = times.and_then(|times| times.start_seconds(&read("/proc/stat")));
        gauge(
            "process_start_time_seconds",
            "Start of the process in seconds since the Unix epoch",
            start,
        )?;
        if let Some(times) = times {
            let counter = ConstCounter::new(times.cpu_seconds);
            let help = "User and system CPU time spent in seconds";
            let metric_type = counter.metric_type();
            let encoder =
                encoder.encode_descriptor("process_cpu_seconds", help, None, metric_type)?;
            counter.encode(encoder)?;
        }
        Ok(())
    }
}

fn gauge(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    value: f64,
) -> Result<(), std::fmt::Error> {
    let gauge = ConstGauge::new(value);
    let encoder = encoder.encode_descriptor(name, help, None, gauge.metric_type())?;
    gauge.encode(encoder)
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn kilobytes(status: &str, key: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

fn open_fds() -> Option<f64> {
    // The directory itself is open while it is listed.
    let listed = fs::read_dir("/proc/self/fd").ok()?.count();
    Some(listed.saturating_sub(1) as f64)
}

fn max_fds(limits: &str) -> Option<f64> {
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    match line.split_whitespace().next()? {
        "unlimited" => None,
        limit => limit.parse().ok(),
    }
}

/// What `/proc/self/stat` tells of time.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Times {
    cpu_seconds: f64,
    /// Since the machine's start.
    started_seconds: f64,
}

impl Times {
    fn parse(stat: &str) -> Option<Self> {
        // The second field is the program's name in parentheses, which may hold anything.
        let (_, fields) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = fields.split_whitespace().collect();
        // The first of these is number 3 in proc(5).
        let seconds = |number: usize| -> Option<f64> {
            let ticks: f64 = fields.get(number - 3)?.parse().ok()?;
            Some(ticks / TICKS_PER_SECOND)
        };
        Some(Self {
            cpu_seconds: seconds(14)? + seconds(15)?,
            started_seconds: seconds(22)?,
        })
    }

    fn start_seconds(self, machine: &str) -> Option<f64> {
        let boot = machine
            .lines()
            .find_map(|line| line.strip_prefix("btime "))?;
        Some(boot.trim().parse::<f64>().ok()? + self.started_seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_linux_writes() {
        let stat = "25632 (a ) b) R 25630 25630 10465 0 -1 4194304 131 0 0 0 150 50 0 0 20 0 1 0 232364 3133440";
        let times = Times::parse(stat).unwrap();
        assert_eq!(
            times,
            Times {
                cpu_seconds: 2.0,
                started_seconds: 2323.64
            }
        );
        assert_eq!(times.start_seconds("cpu 1\nbtime 1000\n"), Some(3323.64));
        assert_eq!(
            kilobytes("VmPeak:\t 3 kB\nVmRSS:\t    2240 kB\n", "VmRSS:"),
            Some(2240.0)
        );
        let limits = "Limit  Soft Limit  Hard Limit  Units\nMax open files            20000                20000                files \n";
        assert_eq!(max_fds(limits), Some(20000.0));
        assert_eq!(Times::parse(""), None);
    }
}
