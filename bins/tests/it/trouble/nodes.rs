//! A node is in trouble: it is down with a reason, its series end at once, and nobody else notices.

use std::net::SocketAddr;
use std::time::Duration;

use fixtures::MockAiven;
use fixtures::node::{Fault, Node, Transport};

use crate::support::system::{System, config};
use crate::support::{PATIENCE, eventually};

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
        let error = self.system.down(self.sick.address()).await;
        assert!(error.starts_with(want), "{fault}: {error}, expected {want}");
        self.is_over(fault).await;
        // The other one is scraped on, as before.
        let count = self.well.scrape_count() + 3;
        self.well.wait_for_scrapes(count, PATIENCE).await.unwrap();
        let targets = self.system.targets().await;
        let row = &targets[&self.well.address().to_string()];
        assert_eq!((&*row.health, &*row.last_error), ("up", ""), "{fault}");
        assert!(self.of(self.well.address()).await.len() > 500, "{fault}");
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

    async fn of(&self, address: SocketAddr) -> crate::support::samples::Samples {
        self.system.federate(&of(address)).await
    }

    /// The sick node is well again.
    async fn recovers(&self) {
        self.system.complete().await;
        assert!(self.of(self.sick.address()).await.len() > 500);
    }

    async fn check(&self, fault: Fault, want: &str) {
        let name = format!("{fault:?}");
        self.sick.fail(fault);
        self.shows(&name, want).await;
        self.sick.heal();
        self.recovers().await;
    }
}

fn of(address: SocketAddr) -> String {
    format!("{{instance=\"{address}\"}}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_answers_badly_is_down_alone() {
    let pair = Pair::start("").await;
    let drip = Fault::Slow {
        bytes: 10,
        pause: Duration::from_millis(50),
    };
    let unsupported =
        "received unsupported Content-Type \"text/html\" and no fallback_scrape_protocol";
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
        (
            Fault::ContentType(None),
            "non-compliant scrape target sending blank Content-Type",
        ),
        (
            Fault::ContentType(Some("text/html".to_owned())),
            unsupported,
        ),
    ];
    for (fault, want) in cases {
        pair.check(fault, want).await;
    }
    // One line for each change, however many scrapes failed in between.
    assert_eq!(pair.system.logged("target is down").len(), 11);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_off_or_somebody_else_is_down_alone() {
    let pair = Pair::start("").await;
    pair.sick.down().await;
    pair.shows(
        "down",
        &format!(
            "dial tcp {}: connect: connection refused",
            pair.sick.address()
        ),
    )
    .await;
    pair.sick.up().await.unwrap();
    pair.recovers().await;

    pair.sick.fail(Fault::HangHandshake);
    pair.sick.restart().await.unwrap();
    pair.shows("mute", "context deadline exceeded").await;
    pair.sick.heal();
    pair.recovers().await;

    for transport in [
        Transport::WrongName,
        Transport::Expired,
        Transport::OtherAuthority,
    ] {
        let asked = pair.sick.scrape_count();
        pair.sick.set_transport(transport).await.unwrap();
        let asked_before_it = pair.sick.scrape_count() - asked;
        pair.shows("certificate", "tls: invalid peer certificate: ")
            .await;
        assert_eq!(
            pair.sick.scrape_count(),
            asked + asked_before_it,
            "{transport:?}"
        );
        pair.sick.set_transport(Transport::Tls).await.unwrap();
        pair.recovers().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_larger_than_its_limit_is_cut_off() {
    let pair = Pair::start("body_size_limit: 1MB\n").await;
    let limit = "body size limit exceeded";
    pair.check(Fault::Endless, limit).await;
    pair.check(Fault::gzip_bomb(), limit).await;
    pair.check(Fault::long_line(), limit).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_bodies_take_no_more_memory_than_the_limit_allows() {
    // With the default limit of 64 MB, and a time-out that lets bodies come so far.
    let slow = "scrape_interval: 3s\nscrape_timeout: 3s\n";
    let four = MockAiven::builder().nodes(4);
    let system = System::configured(four, |aiven| config(aiven, slow)).await;
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
    let mut errors = Vec::new();
    for node in &nodes {
        errors.push(system.down(node.address()).await);
    }
    assert!(errors[0].contains("exceeded"), "{errors:?}");
    assert_eq!(errors[1..3], ["body size limit exceeded"; 2]);
    assert_eq!(errors[3], "line is longer than 1048576 bytes");
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
    // For as long as a hanging node is asked three times.
    let (asked, scraped) = (hanging[0].scrape_count(), well.scrape_count());
    hanging[0]
        .wait_for_scrapes(asked + 3, PATIENCE)
        .await
        .unwrap();
    assert!(well.scrape_count() >= scraped + 2);
    let row = &system.targets().await[&well.address().to_string()];
    assert_eq!((&*row.health, &*row.last_error), ("up", ""));
    // Health checks are answered meanwhile, and whoever asks for it is told that all is ready.
    for path in ["/-/healthy", "/-/ready"] {
        let asking = system.exporter.site.get(path, &[]);
        let answer = tokio::time::timeout(Duration::from_secs(1), asking).await;
        assert_eq!(answer.unwrap().status, 200, "{path}");
    }
}
