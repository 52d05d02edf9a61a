//! Targets behind TLS that are trusted or not, and targets that are away for a while.

use std::collections::BTreeMap;
use std::path::Path;

use fixtures::node::{Node, Transport};
use fixtures::{Authority, MockAiven};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use serde_json::{Value, json};

use super::now_ms;
use super::pair::{Pair, Seen};
use crate::support::prometheus::Prometheus;

/// The job whose settings are those that the nodes are made for.
const TRUSTING: &str = "ca_file_and_server_name";

/// How the connections of each node are secured.
const TRANSPORTS: [Transport; 5] = [
    Transport::Tls,
    Transport::WrongName,
    Transport::Expired,
    Transport::OtherAuthority,
    Transport::Plain,
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs prometheus on PATH"]
async fn targets_are_trusted_or_refused_and_come_back() {
    let builder = MockAiven::builder().nodes(TRANSPORTS.len());
    let aiven = builder.start().await.unwrap();
    let nodes = aiven.nodes();
    for (node, transport) in nodes.iter().zip(TRANSPORTS) {
        node.serve("a 1\n", "text/plain; version=0.0.4");
        node.set_transport(transport).await.unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    let other = Authority::new("Another CA").unwrap().pem();
    std::fs::write(&ca, aiven.ca_pem()).unwrap();
    std::fs::write(folder.path().join("other.pem"), &other).unwrap();
    let config = config(&aiven, folder.path());
    let pair = Pair::start(folder, &config.to_string()).await;

    let start_ms = now_ms();
    let reached = async |what: &str, node: &Node, health: &str| {
        let target = format!("https://{}/metrics {health} ", node.address());
        let is_reached = |seen: &BTreeMap<String, Seen>| {
            let mut all = seen.values().flat_map(|job| &job.targets);
            let mut trusted = seen.get(TRUSTING).into_iter().flat_map(|job| &job.targets);
            !all.any(|it| it.contains(" unknown ")) && trusted.any(|it| it.starts_with(&target))
        };
        pair.agree(what, start_ms, is_reached).await;
    };
    let sound = &nodes[0];
    reached("start", sound, "up").await;
    for node in [sound, &nodes[4]] {
        node.down().await;
    }
    reached("connections are refused", sound, "down").await;
    for node in [sound, &nodes[4]] {
        node.up().await.unwrap();
    }
    reached("connections are accepted again", sound, "up").await;
    for transport in TRANSPORTS.into_iter().skip(1) {
        sound.set_transport(transport).await.unwrap();
        reached(&format!("{transport:?}"), sound, "down").await;
    }
    sound.set_transport(Transport::Tls).await.unwrap();
    reached("it is trusted again", sound, "up").await;
    // The file is read again, and concerns connections that are open, too.
    std::fs::write(&ca, &other).unwrap();
    reached("another authority in the file", sound, "down").await;
    std::fs::write(&ca, aiven.ca_pem()).unwrap();
    reached("the authority of before in the file", sound, "up").await;
}

/// A job for each way to trust the nodes of `aiven`, with the certificates in `folder`.
fn config(aiven: &MockAiven, folder: &Path) -> Value {
    let file = |name: &str| folder.join(name);
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["client".to_owned()]).unwrap();
    std::fs::write(file("client.pem"), cert.pem()).unwrap();
    std::fs::write(file("client.key"), signing_key.serialize_pem()).unwrap();
    let host = aiven.host_of(&aiven.services()[0]).unwrap();
    let (ca, other) = (file("ca.pem"), file("other.pem"));
    let (cert, key) = (file("client.pem"), file("client.key"));
    let mut ways = vec![
        (TRUSTING, json!({"ca_file": ca, "server_name": host})),
        ("nothing", json!({})),
        ("ca_file", json!({"ca_file": ca})),
        ("server_name", json!({"server_name": host})),
        (
            "other_server_name",
            json!({"ca_file": ca, "server_name": "other.test"}),
        ),
        (
            "other_ca_file",
            json!({"ca_file": other, "server_name": host}),
        ),
        ("insecure", json!({"insecure_skip_verify": true})),
        (
            "insecure_with_all",
            json!({"insecure_skip_verify": true, "ca_file": other, "server_name": "other.test"}),
        ),
        (
            "client_certificate",
            json!({"ca_file": ca, "server_name": host, "cert_file": cert, "key_file": key}),
        ),
        (
            "from_1_3_on",
            json!({"ca_file": ca, "server_name": host, "min_version": "TLS13"}),
        ),
        (
            "up_to_1_2",
            json!({"ca_file": ca, "server_name": host, "max_version": "TLS12"}),
        ),
    ];
    if Prometheus::installed_major() >= 3 {
        let inline = json!({"ca": aiven.ca_pem(), "server_name": host});
        ways.push(("ca", inline));
    }
    let targets = aiven.nodes().into_iter();
    let targets: Vec<_> = targets.map(|node| node.address().to_string()).collect();
    let job = |name: &str, scheme: &str, tls: &Value| {
        json!({
            "job_name": name,
            "scheme": scheme,
            "tls_config": tls,
            "basic_auth": {"username": aiven.user(), "password": aiven.password()},
            "static_configs": [{"targets": targets}],
        })
    };
    let mut jobs: Vec<_> = ways
        .iter()
        .map(|(name, it)| job(name, "https", it))
        .collect();
    jobs.push(job("plain", "http", &ways[0].1));
    json!({
        "global": {"scrape_interval": "1s", "scrape_timeout": "500ms"},
        "scrape_configs": jobs,
    })
}
