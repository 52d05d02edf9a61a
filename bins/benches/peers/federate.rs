//! What fetching `/federate` costs.

use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::Failure;
use crate::client::Client;
use crate::measure::{self, Window, pause, percentile};
use crate::series::{self, ByInstance, SeriesSet};

/// Clients that fetch everything at the same time.
const CLIENTS: usize = 4;
/// Requests in a batch, at least, as long as that takes less than [`LONGEST`].
const REQUESTS: usize = 20;
/// Requests in a batch, at least, however long that takes.
const FEWEST: usize = 3;
const LONGEST: Duration = Duration::from_secs(60);

/// Names that dashboards of a cluster need; 102 series a service of three nodes.
const NAMES: [&str; 26] = [
    "elasticsearch_cluster_health_active_primary_shards",
    "elasticsearch_cluster_health_active_shards",
    "elasticsearch_cluster_health_active_shards_percent_as_number",
    "elasticsearch_cluster_health_initializing_shards",
    "elasticsearch_cluster_health_number_of_data_nodes",
    "elasticsearch_cluster_health_number_of_nodes",
    "elasticsearch_cluster_health_number_of_pending_tasks",
    "elasticsearch_cluster_health_relocating_shards",
    "elasticsearch_cluster_health_status_code",
    "elasticsearch_cluster_health_task_max_waiting_in_queue_millis",
    "elasticsearch_cluster_health_unassigned_shards",
    "elasticsearch_cluster_health_indices_active_primary_shards",
    "elasticsearch_cluster_health_indices_active_shards",
    "elasticsearch_cluster_health_indices_initializing_shards",
    "elasticsearch_cluster_health_indices_number_of_replicas",
    "elasticsearch_cluster_health_indices_number_of_shards",
    "elasticsearch_cluster_health_indices_relocating_shards",
    "elasticsearch_cluster_health_indices_status_code",
    "elasticsearch_cluster_health_indices_unassigned_shards",
    "elasticsearch_jvm_gc_collectors_old_collection_count",
    "elasticsearch_jvm_gc_collectors_old_collection_time_in_millis",
    "elasticsearch_jvm_gc_collectors_young_collection_count",
    "elasticsearch_jvm_gc_collectors_young_collection_time_in_millis",
    "elasticsearch_jvm_mem_heap_used_percent",
    "elasticsearch_jvm_uptime_in_millis",
    "elasticsearch_os_mem_used_percent",
];

/// Which series are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Selection {
    All,
    OneService,
    Names,
}

/// Whether the answer is to be compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Encoding {
    Identity,
    Gzip,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Query {
    pub(crate) selection: Selection,
    pub(crate) encoding: Encoding,
}

impl Selection {
    pub(crate) const ALL: [Self; 3] = [Self::All, Self::OneService, Self::Names];

    /// The path of the request; `service` is the name of the one service.
    fn path(self, service: &str) -> String {
        let selector = match self {
            Self::All => r#"{__name__=~".+"}"#.to_owned(),
            Self::OneService => format!(r#"{{aiven_service_name="{service}"}}"#),
            Self::Names => format!(r#"{{__name__=~"{}"}}"#, NAMES.join("|")),
        };
        federate(&selector)
    }
}

impl Encoding {
    pub(crate) const ALL: [Self; 2] = [Self::Identity, Self::Gzip];

    /// What is asked for.
    pub(crate) fn coding(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Gzip => "gzip",
        }
    }
}

impl Query {
    /// All of them.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        Selection::ALL.into_iter().flat_map(|selection| {
            let with = move |encoding| Self {
                selection,
                encoding,
            };
            Encoding::ALL.map(with)
        })
    }
}

impl fmt::Display for Query {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self.selection {
            Selection::All => "all series",
            Selection::OneService => "one service",
            Selection::Names => "26 names",
        })?;
        match self.encoding {
            Encoding::Identity => Ok(()),
            Encoding::Gzip => formatter.write_str(", gzip"),
        }
    }
}

/// What a request costs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    /// Seconds from the request to the last byte of the answer: median, and of the slowest hundredth.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    /// CPU-seconds of the server a request, those of scraping taken off.
    pub(crate) cpu: f64,
    /// Of the body.
    pub(crate) bytes: f64,
}

/// A server to be asked.
#[derive(Debug)]
pub(crate) struct Server<'a> {
    pub(crate) address: SocketAddr,
    pub(crate) pid: u32,
    /// The one service that is asked for.
    pub(crate) service: &'a str,
}

impl Server<'_> {
    /// Asks for `query` again and again, one request after the other, for `length` or longer.
    /// `scraping` is what the server does besides.
    pub(crate) fn cost(
        &self,
        query: Query,
        length: Duration,
        scraping: Window,
    ) -> Result<Cost, Failure> {
        let path = query.selection.path(self.service);
        let mut client = Client::connect(self.address)?;
        let mut latencies = Vec::new();
        let mut bytes = 0;
        let (begin, cpu) = (Instant::now(), measure::cpu_seconds(self.pid)?);
        while latencies.len() < FEWEST
            || begin.elapsed() < length
            || (latencies.len() < REQUESTS && begin.elapsed() < LONGEST)
        {
            let sent = Instant::now();
            let answer = client.get(&path, query.encoding.coding())?;
            latencies.push(sent.elapsed().as_secs_f64());
            if answer.status != 200 {
                return Err(format!("{query}: status {}", answer.status).into());
            }
            bytes = answer.bytes;
        }
        let cpu = measure::cpu_seconds(self.pid)? - cpu;
        let besides = scraping.cpu_seconds / scraping.seconds * begin.elapsed().as_secs_f64();
        let requests = latencies.len() as f64;
        Ok(Cost {
            p50: percentile(latencies.clone(), 0.5),
            p99: percentile(latencies, 0.99),
            cpu: (cpu - besides).max(0.0) / requests,
            bytes: bytes as f64,
        })
    }

    /// By how many bytes the resident memory rises at most while some clients fetch everything at
    /// once.
    pub(crate) fn peak(&self, encoding: Encoding) -> Result<f64, Failure> {
        let path = Selection::All.path(self.service);
        let clients: Result<Vec<_>, _> = (0..CLIENTS)
            .map(|_| Client::connect(self.address))
            .collect();
        let before = measure::resident(self.pid)?;
        measure::forget_peak(self.pid)?;
        let answers: Result<Vec<_>, _> = std::thread::scope(|scope| {
            let fetch = |mut client: Client| {
                let path = &path;
                scope.spawn(move || client.get(path, encoding.coding()))
            };
            let fetching: Vec<_> = clients?.into_iter().map(fetch).collect();
            fetching
                .into_iter()
                .map(|thread| {
                    thread
                        .join()
                        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
                })
                .collect()
        });
        let rise = measure::peak(self.pid)? - before;
        match answers?.iter().find(|answer| answer.status != 200) {
            Some(answer) => Err(format!("with {CLIENTS} clients: status {}", answer.status).into()),
            None => Ok(rise.max(0.0)),
        }
    }

    /// The series of `selection`, which compression must not change.
    pub(crate) fn series(&self, selection: Selection) -> Result<SeriesSet, Failure> {
        let path = selection.path(self.service);
        let plain = SeriesSet::parse(&self.fetch(&path, Encoding::Identity)?)?;
        let inflated = SeriesSet::parse(&self.fetch(&path, Encoding::Gzip)?)?;
        match plain.differences(&inflated, &[]).first() {
            Some(difference) => Err(format!("gzip changes the answer: {difference}").into()),
            None => Ok(plain),
        }
    }

    /// The latest values of the metric `name`, of which each target has one series.
    pub(crate) fn by_instance(&self, name: &str) -> Result<ByInstance, Failure> {
        series::by_instance(&self.fetch(&federate(name), Encoding::Identity)?)
    }

    fn fetch(&self, path: &str, encoding: Encoding) -> Result<Vec<u8>, Failure> {
        let mut body = Vec::new();
        let mut client = Client::connect(self.address)?;
        let answer = client.request(path, encoding.coding(), |piece| {
            body.extend_from_slice(piece)
        })?;
        if answer.status != 200 {
            let said = String::from_utf8_lossy(&body);
            return Err(format!("{path}: status {}: {said}", answer.status).into());
        }
        match answer.gzip {
            true => series::inflate(&body),
            false => Ok(body),
        }
    }
}

/// The path that federates what `selector` selects.
fn federate(selector: &str) -> String {
    let mut path = "/federate?match[]=".to_owned();
    for byte in selector.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' | b'.' => {
                path.push(char::from(byte))
            }
            _ => path.push_str(&format!("%{byte:02X}")),
        }
    }
    path
}

/// Waits until `done`, for `bound` at most, and says whether it is.
pub(crate) fn wait_until(
    bound: Duration,
    mut done: impl FnMut() -> Result<bool, Failure>,
) -> Result<bool, Failure> {
    let deadline = Instant::now() + bound;
    while Instant::now() < deadline {
        if done()? {
            return Ok(true);
        }
        pause(Duration::from_millis(200));
    }
    Ok(false)
}
