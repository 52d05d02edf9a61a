//! A node is in trouble: it is down with a reason, its series end at once, and nobody else notices.

use std::net::SocketAddr;
use std::time::Duration;

use fixtures::MockAiven;
use fixtures::node::{Fault, Node, Transport};

use crate::support::eventually;
use crate::support::exporter::config;
use crate::support::system::{LONG_INTERVAL, Scraped as _, System};

/// Of two nodes the one that has all the trouble, and the other.
struct Pair {
    system: System,
    sick: Node,
    well: Node,
}

impl Pair {
    async fn start(job: &str) -> Self {
        let one = MockAiven::builder().nodes(2);
        let system = System::configured(one, |aiven| config(aiven, job)).await;
        let nodes = system.aiven.nodes();
        let [sick, well] = <[Node; 2]>::try_from(nodes).unwrap();
        Self { system, sick, well }
    }

    /// The sick node is down because of `fault`, and all that follows from it.
    async fn shows(&self, fault: &str, want: &str) {
        self.system.down(self.sick.address(), want).await;
        self.is_over(fault).await;
        // The other one is scraped on, as before.
        self.well.scraped_again(3).await;
        self.system.is_up(&self.well).await;
        self.is_served(&self.well).await;
    }

    /// Once it is known to be down, nothing else is left of the sick node.
    async fn is_over(&self, fault: &str) {
        let left = self.system.federate(&of(self.sick.address())).await;
        let values = left.iter().map(|(series, sample)| (series, sample.value));
        let values: Vec<_> = values.collect();
        let names: Vec<_> = values.iter().map(|(it, _)| it.metric_name()).collect();
        let want = [
            "scrape_duration_seconds",
            "scrape_samples_post_metric_relabeling",
            "scrape_samples_scraped",
            "scrape_series_added",
            "up",
        ];
        assert_eq!(names, want, "{fault}");
        assert_eq!(values[4].1, 0.0, "{fault}");
    }

    /// What the log says of the sick node's being down.
    fn told(&self) -> Vec<String> {
        let sick = format!("url=https://{}/metrics", self.sick.address());
        let mut told = self.system.has_logged("target is down");
        told.retain(|line| line.contains(&sick));
        told
    }

    async fn is_served(&self, node: &Node) {
        eventually("a node's series", async || {
            let series = self.system.federate(&of(node.address())).await;
            (series.len() > 500).then_some(())
        })
        .await;
    }

    /// The sick node is well again.
    async fn recovers(&self) {
        self.system.complete().await;
        self.is_served(&self.sick).await;
    }

    async fn check(&self, fault: Fault, want: &str) {
        let name = format!("{fault:?}");
        let told = self.told().len();
        self.sick.fail(fault);
        self.shows(&name, want).await;
        // One line for the change, however many scrapes have failed since.
        eventually("a line in the log", async || {
            (!self.told().is_empty()).then_some(())
        })
        .await;
        assert!(self.told().len() <= told + 1, "{:?}", self.told());
        self.sick.heal();
        self.recovers().await;
    }

    /// The sick node's new connections are secured in this way, which is refused before anything is asked.
    async fn is_not_trusted(&self, transport: Transport) {
        self.sick.set_transport(transport).await.unwrap();
        let asked = self.sick.scrape_count();
        let refused = "tls: invalid peer certificate: ";
        self.shows(&format!("{transport:?}"), refused).await;
        assert_eq!(self.sick.scrape_count(), asked, "{transport:?}");
        self.sick.set_transport(Transport::Tls).await.unwrap();
        self.recovers().await;
    }
}

fn of(address: SocketAddr) -> String {
    format!("{{instance=\"{address}\"}}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_answers_badly_is_down_alone() {
    let drip = Fault::Slow {
        bytes: 10,
        pause: Duration::from_millis(50),
    };
    let unsupported =
        "received unsupported Content-Type \"text/html\" and no fallback_scrape_protocol";
    let blank = "non-compliant scrape target sending blank Content-Type";
    let cases = [
        (Fault::Hang, "context deadline exceeded"),
        (drip, "context deadline exceeded"),
        (Fault::Disconnect, "EOF"),
        (Fault::Status(500), "server returned HTTP status 500"),
        (Fault::Status(401), "server returned HTTP status 401"),
        (Fault::Garbage, "line 1, column 1: "),
        (Fault::TruncatedLength, "unexpected EOF"),
        (Fault::TruncatedChunks, "unexpected EOF"),
        (Fault::TruncatedGzip, "unexpected EOF"),
        (Fault::ContentType(None), blank),
        (
            Fault::ContentType(Some("text/html".to_owned())),
            unsupported,
        ),
    ];
    let cases = cases.map(async |(fault, want)| {
        let pair = Pair::start("").await;
        pair.check(fault, want).await;
    });
    futures_util::future::join_all(cases).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_off_is_down_alone() {
    let pair = Pair::start("").await;
    pair.sick.down().await;
    let refused = format!(
        "dial tcp {}: connect: connection refused",
        pair.sick.address()
    );
    pair.shows("down", &refused).await;
    pair.sick.up().await.unwrap();
    pair.recovers().await;

    pair.sick.fail(Fault::HangHandshake);
    pair.sick.restart().await.unwrap();
    pair.shows("mute", "context deadline exceeded").await;
    pair.sick.heal();
    pair.recovers().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_somebody_else_is_down_alone() {
    let others = [
        Transport::WrongName,
        Transport::Expired,
        Transport::OtherAuthority,
    ];
    let others =
        others.map(async |transport| Pair::start("").await.is_not_trusted(transport).await);
    futures_util::future::join_all(others).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_larger_than_its_limit_is_cut_off() {
    let bodies = [Fault::Endless, Fault::gzip_bomb(), Fault::long_line()];
    let bodies = bodies.map(async |body| {
        let pair = Pair::start("body_size_limit: 1MB\n").await;
        pair.check(body, "body size limit exceeded").await;
    });
    futures_util::future::join_all(bodies).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_bodies_take_no_more_memory_than_the_limit_allows() {
    // With the default limit of 64 MB, and a time-out that lets bodies come so far.
    let four = MockAiven::builder().nodes(4);
    let system = System::configured(four, |aiven| config(aiven, LONG_INTERVAL)).await;
    let nodes = system.aiven.nodes();
    let before = system.exporter.program.peak_memory();
    let faults = [
        Fault::Endless,
        Fault::gzip_bomb(),
        Fault::gzip_bomb(),
        Fault::long_line(),
    ];
    for (node, fault) in nodes.iter().zip(faults) {
        node.fail(fault);
    }
    let (limit, line) = (
        "body size limit exceeded",
        "line is longer than 1048576 bytes",
    );
    for (node, want) in nodes.iter().zip([limit, limit, limit, line]) {
        system.down(node.address(), want).await;
    }
    let grown = system.exporter.program.peak_memory() - before;
    // A limit for each of the four bodies under way.
    assert!(grown < 4 * (64 << 20), "{} MiB more", grown >> 20);
    for node in &nodes {
        node.heal();
    }
    system.complete().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_hanging_nodes_delay_nobody() {
    let system = System::of(MockAiven::builder().nodes(51)).await;
    let nodes = system.aiven.nodes();
    let (well, hanging) = nodes.split_first().unwrap();
    for node in hanging {
        node.fail(Fault::Hang);
    }
    eventually("fifty nodes that are down", async || {
        let targets = system.targets().await;
        let down = targets.values().filter(|row| row.health == "down");
        (down.count() == 50).then_some(())
    })
    .await;
    // For as long as a hanging node is asked four times: three intervals, of which a busy machine may lose one.
    let scraped = well.scrape_count();
    hanging[0].scraped_again(4).await;
    assert!(well.scrape_count() >= scraped + 2);
    system.is_up(well).await;
    // Health checks are answered meanwhile, and whoever asks for it is told that all is ready.
    for path in ["/-/healthy", "/-/ready"] {
        let answer = system.exporter.site.get(path, &[]).await;
        assert_eq!(answer.status, 200, "{path}");
    }
}
