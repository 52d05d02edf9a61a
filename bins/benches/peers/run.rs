//! One measurement of one system, from its start to its end.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use crate::Failure;
use crate::federate::{Encoding, Query, Selection, Server, wait_until};
use crate::measure;
use crate::nodes::Nodes;
use crate::options::Options;
use crate::quantity::{Figures, Quantity};
use crate::series::SeriesSet;
use crate::system::System;

/// Scrapes of each node before anything is measured.
const WARM_UP: u64 = 3;
/// How much longer than it should the warm-up may take.
const GRACE: Duration = Duration::from_secs(60);
/// The share of the scrapes of a window that must have happened, else the machine is too slow for
/// what is asked of it.
const ENOUGH: f64 = 0.9;
/// Requests of one kind go on for this long, where the window isn't short.
const BATCH: Duration = Duration::from_secs(5);
/// The share of the window that a batch takes where that is less.
const BATCH_OF_WINDOW: u32 = 12;

/// What one measurement found.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) figures: Figures,
    /// Samples that the nodes served in the window.
    pub(crate) samples: f64,
    /// Series that the nodes serve.
    pub(crate) node_series: f64,
    /// The series of each selection, for comparison.
    pub(crate) series: BTreeMap<Selection, SeriesSet>,
}

/// Measures `system`, the only one that runs.
pub(crate) fn run(
    system: System,
    nodes: &mut Nodes,
    options: &Options,
    folder: &Path,
) -> Result<Run, Failure> {
    let before = nodes.scrapes()?;
    let mut running = system.start(nodes.config(), folder)?;
    let service = nodes.service().to_owned();
    let server = Server {
        address: running.address,
        pid: running.id(),
        service: &service,
    };

    eprintln!("{}: warming up", system.name());
    let scraped = wait_until(
        options.interval.mul_f64(WARM_UP as f64 + 1.0) + GRACE,
        || {
            running.check()?;
            let now = nodes.scrapes()?;
            Ok(now
                .iter()
                .all(|(node, count)| count - before[node] >= WARM_UP))
        },
    )?;
    if !scraped {
        return Err(running.failure("the warm-up takes too long"));
    }

    eprintln!("{}: scraping for {:?}", system.name(), options.window);
    let before = nodes.scrapes()?;
    let window = measure::window(server.pid, options.window)?;
    let after = nodes.scrapes()?;
    let scrapes: u64 = after.iter().map(|(node, count)| count - before[node]).sum();
    let expected = options.nodes() as f64 * options.window.div_duration_f64(options.interval);
    let up = server.by_instance("up")?;
    let healthy = up.values().filter(|up| **up == 1.0).count();
    if healthy != options.nodes() || (scrapes as f64) < expected * ENOUGH {
        let nodes = options.nodes();
        return Err(running.failure(&format!(
            "{healthy} of {nodes} targets are up; {scrapes} scrapes where {expected} were expected"
        )));
    }

    let mut figures = Figures::new();
    // First of all, while nothing is left of other requests.
    for encoding in Encoding::ALL {
        eprintln!(
            "{}: fetching all series by several clients, {}",
            system.name(),
            encoding.coding()
        );
        figures.insert(Quantity::PeakRise(encoding), server.peak(encoding)?);
    }
    let lengths = server.by_instance("scrape_samples_scraped")?;
    let mut samples = 0.0;
    for (node, count) in &after {
        let length = lengths
            .get(node)
            .ok_or_else(|| format!("{node} has no scrape_samples_scraped"))?;
        samples += (count - before[node]) as f64 * length;
    }
    let node_series: f64 = lengths.values().sum();
    figures.insert(
        Quantity::CpuPerMillionSamples,
        window.cpu_seconds / samples * 1e6,
    );
    figures.insert(Quantity::Resident, window.resident);
    figures.insert(Quantity::ResidentPerSeries, window.resident / node_series);

    eprintln!("{}: comparing series", system.name());
    let mut series = BTreeMap::new();
    for selection in Selection::ALL {
        series.insert(selection, server.series(selection)?);
    }
    let length = BATCH.min(options.window / BATCH_OF_WINDOW);
    for query in Query::all() {
        eprintln!("{}: fetching {query}", system.name());
        let cost = server.cost(query, length, window)?;
        figures.insert(Quantity::P50(query), cost.p50);
        figures.insert(Quantity::P99(query), cost.p99);
        figures.insert(Quantity::Cpu(query), cost.cpu);
        figures.insert(Quantity::Bytes(query), cost.bytes);
    }
    running.check()?;
    Ok(Run {
        figures,
        samples,
        node_series,
        series,
    })
}
