//! What can go wrong with a node, and that it stays that node's trouble.

use std::sync::Arc;
use std::time::Duration;

use fixtures::node::{Fault, Node, Transport};
use fixtures::{MockAiven, wait_until};
use prom_model::metadata::MetricType;
use prom_model::sample::Sample;
use prom_model::target::{Access, BasicAuth, ServerIdentity, TargetGroup, TargetHealth};

use crate::scraping::Job;

/// Long enough for a busy machine; nothing waits that long for what does happen.
const PATIENCE: Duration = Duration::from_secs(30);
const INTERVAL: Duration = Duration::from_millis(300);
const EXPOSITION: &str = "# TYPE a gauge\na{x=\"1\"} 1\nb 2\n";

/// How the nodes of the mock are reached.
#[derive(Debug)]
pub(crate) struct NodeAccess {
    auth: Arc<BasicAuth>,
    identity: Arc<ServerIdentity>,
}

impl NodeAccess {
    pub(crate) fn new(aiven: &MockAiven, node: &Node) -> Self {
        Self {
            auth: Arc::new(BasicAuth {
                username: aiven.user(),
                password: aiven.password().into(),
            }),
            identity: Arc::new(ServerIdentity {
                server_name: node.host().to_owned(),
                ca_pem: aiven.ca_pem(),
            }),
        }
    }
}

impl Access for NodeAccess {
    fn basic_auth(&self) -> Option<Arc<BasicAuth>> {
        Some(Arc::clone(&self.auth))
    }

    fn server_identity(&self) -> Option<Arc<ServerIdentity>> {
        Some(Arc::clone(&self.identity))
    }

    fn rejected(&self, _used: &BasicAuth) {}
}

/// Two nodes, the second of which never has any trouble.
struct Cluster {
    _aiven: MockAiven,
    sick: Node,
    well: Node,
    job: Job,
}

impl Cluster {
    async fn start() -> Self {
        Self::start_with(INTERVAL, 1 << 20).await
    }

    async fn start_with(interval: Duration, body_size_limit: u64) -> Self {
        let aiven = MockAiven::builder()
            .services(1)
            .nodes(2)
            .start()
            .await
            .unwrap();
        let [sick, well] = <[Node; 2]>::try_from(aiven.nodes()).unwrap();
        let mut job = Job::over_http(interval, interval.mul_f64(0.9));
        job.settings.targets.scheme = "https".to_owned();
        job.settings.samples.body_size_limit = body_size_limit;
        let access = Arc::new(NodeAccess::new(&aiven, &sick));
        let group = TargetGroup {
            targets: [&sick, &well]
                .map(|node| {
                    [("__address__", node.address().to_string())]
                        .into_iter()
                        .collect()
                })
                .into(),
            access: Some(access),
            ..TargetGroup::default()
        };
        for node in [&sick, &well] {
            node.serve(EXPOSITION, "text/plain; version=0.0.4");
        }
        job.discover_groups(vec![group]);
        job.apply();
        let cluster = Self {
            _aiven: aiven,
            sick,
            well,
            job,
        };
        cluster.wait_for("").await;
        cluster
    }

    /// Waits until the sick node is scraped with this error, or without one.
    async fn wait_for(&self, error: &str) {
        let address = self.sick.address().to_string();
        let seen = || {
            let status = self.job.status(&address)?;
            (status.health != TargetHealth::Unknown).then_some(status.last_error)
        };
        let found = wait_until(PATIENCE, || seen().is_some_and(|have| *have == *error)).await;
        assert!(found.is_ok(), "expected {error:?}, is {:?}", seen());
    }

    fn latest(&self, node: &Node, series: &str) -> Option<f64> {
        let instance = format!("instance=\"{}\", job=\"j\"", node.address());
        self.job
            .recording
            .latest(&series.replace("LABELS", &instance))
    }

    /// Whether everything that the sick node exposed is stale, and nothing else.
    fn assert_ended(&self, fault: &str) {
        for series in ["a{LABELS, x=\"1\"}", "b{LABELS}"] {
            let value = self.latest(&self.sick, series).unwrap();
            assert!(
                Sample::new(value).is_stale(),
                "{fault}: {series} is {value}"
            );
        }
        assert_eq!(self.latest(&self.sick, "up{LABELS}"), Some(0.0), "{fault}");
    }

    /// The other node is scraped on, and well.
    async fn assert_well(&self, fault: &str) {
        let count = self.well.scrape_count();
        let scraped = self.well.wait_for_scrapes(count + 2, PATIENCE).await;
        assert!(scraped.is_ok(), "{fault}");
        assert_eq!(self.latest(&self.well, "b{LABELS}"), Some(2.0), "{fault}");
    }

    async fn check(&self, fault: Fault, error: &str) {
        let name = format!("{fault:?}");
        self.sick.fail(fault);
        self.wait_for(error).await;
        self.assert_ended(&name);
        self.assert_well(&name).await;
        self.sick.heal();
        self.wait_for("").await;
        assert_eq!(self.latest(&self.sick, "b{LABELS}"), Some(2.0), "{name}");
        assert_eq!(self.latest(&self.sick, "up{LABELS}"), Some(1.0), "{name}");
    }
}

#[tokio::test]
async fn faulty_answers_are_told_apart() {
    let cluster = Cluster::start().await;
    let slow = Fault::Slow {
        bytes: 1,
        pause: Duration::from_millis(50),
    };
    let no_type = "non-compliant scrape target sending blank Content-Type and no \
                   fallback_scrape_protocol specified for target";
    let html = "received unsupported Content-Type \"text/html\" and no fallback_scrape_protocol \
                specified for target";
    let elsewhere = format!("https://{}/elsewhere", cluster.sick.address());
    let cases = [
        (Fault::Hang, "context deadline exceeded"),
        (slow, "context deadline exceeded"),
        (Fault::Disconnect, "EOF"),
        (
            Fault::Status(500),
            "server returned HTTP status 500 Internal Server Error",
        ),
        (
            Fault::Status(401),
            "server returned HTTP status 401 Unauthorized",
        ),
        (Fault::Redirect(elsewhere), "stopped after 10 redirects"),
        (Fault::TruncatedLength, "unexpected EOF"),
        (Fault::TruncatedChunks, "unexpected EOF"),
        (Fault::TruncatedGzip, "unexpected EOF"),
        (
            Fault::Garbage,
            "line 1, column 1: expected a metric name or a comment, found \"%PDF-1.7\"",
        ),
        (Fault::ContentType(None), no_type),
        (Fault::ContentType(Some("text/html".to_owned())), html),
    ];
    for (fault, error) in cases {
        cluster.check(fault, error).await;
    }
}

#[tokio::test]
async fn a_node_that_is_well_is_scraped_with_its_metadata() {
    let cluster = Cluster::start().await;
    let recording = &cluster.job.recording;
    assert_eq!(recording.families()["a"].metric_type, MetricType::Gauge);
    let series = format!(
        "a{{instance=\"{}\", job=\"j\", x=\"1\"}}",
        cluster.sick.address()
    );
    assert_eq!(recording.members()[&series], "a");
    let scrapes = cluster.sick.scrapes();
    assert_eq!(scrapes[0].header("accept-encoding"), Some("gzip"));
    assert_eq!(cluster.sick.connection_count(), 1);
}

#[tokio::test]
async fn too_much_is_cut_off() {
    let cluster = Cluster::start().await;
    let limit = "body size limit exceeded";
    cluster.check(Fault::Endless, limit).await;
    cluster.check(Fault::gzip_bomb(), limit).await;
    cluster.check(Fault::long_line(), limit).await;
    let exceeded = "prometheus_target_scrapes_exceeded_body_size_limit_total";
    assert!(cluster.job.metric(exceeded) >= 3.0);
}

#[tokio::test]
async fn a_line_of_ten_megabytes_is_too_long_whatever_the_limit() {
    let cluster = Cluster::start_with(Duration::from_secs(2), 64 << 20).await;
    cluster.sick.fail(Fault::long_line());
    cluster.wait_for("line is longer than 1048576 bytes").await;
    cluster.assert_ended("long line");
}

#[tokio::test]
async fn a_node_that_is_off_or_mute_is_down() {
    let cluster = Cluster::start().await;
    cluster.sick.down().await;
    let refused = format!(
        "dial tcp {}: connect: connection refused",
        cluster.sick.address()
    );
    cluster.wait_for(&refused).await;
    cluster.assert_ended("down");
    cluster.assert_well("down").await;
    cluster.sick.up().await.unwrap();
    cluster.wait_for("").await;

    cluster.sick.fail(Fault::HangHandshake);
    cluster.sick.restart().await.unwrap();
    cluster.wait_for("context deadline exceeded").await;
    cluster.assert_ended("mute");
    cluster.assert_well("mute").await;
}

#[tokio::test]
async fn a_certificate_must_be_the_services() {
    let cluster = Cluster::start().await;
    let address = cluster.sick.address().to_string();
    for transport in [
        Transport::WrongName,
        Transport::Expired,
        Transport::OtherAuthority,
    ] {
        cluster.sick.set_transport(transport).await.unwrap();
        let is_tls_error = || {
            let error = cluster.job.status(&address).unwrap().last_error;
            error.starts_with("tls: invalid peer certificate: ")
        };
        let found = wait_until(PATIENCE, is_tls_error).await;
        let error = cluster.job.status(&address).unwrap().last_error;
        assert!(found.is_ok(), "{transport:?}: {error}");
        cluster.assert_ended("certificate");
        cluster.sick.set_transport(Transport::Tls).await.unwrap();
        cluster.wait_for("").await;
    }
    // Nothing was sent to whoever couldn't show who it is.
    let refused = cluster.sick.scrapes();
    assert!(refused.iter().all(|scrape| scrape.status == Some(200)));
}
