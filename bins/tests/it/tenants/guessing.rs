//! Somebody guesses passwords by the thousand.

use std::net::Ipv4Addr;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use super::{OPERATOR, Tenant, World};
use crate::support::exporter::Exporter;
use crate::support::http::Site;
use crate::support::samples::Samples;

const GUESSES: usize = 10_000;
/// Of the guesses, those that may be compared with a hash while the test runs.
const CHECKED: f64 = 20.0;

/// Gives `GUESSES` wrong passwords for `user` one after the other, over a connection for as long as the exporter keeps
/// it; how often each status came.
async fn guess(address: String, user: &'static str) -> [usize; 2] {
    let (mut wrong, mut slowed_down) = (0, 0);
    let mut kept = None;
    for number in 0..GUESSES {
        let mut connection = match kept.take() {
            Some(connection) => connection,
            None => BufReader::new(TcpStream::connect(&address).await.unwrap()),
        };
        let credentials = BASE64_STANDARD.encode(format!("{user}:guess-{number}"));
        let request = format!(
            "GET /federate HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {credentials}\r\n\r\n"
        );
        connection.write_all(request.as_bytes()).await.unwrap();
        let (mut status, mut length, mut is_kept) = (String::new(), 0, true);
        loop {
            let mut line = String::new();
            connection.read_line(&mut line).await.unwrap();
            let line = line.trim_end().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.parse().unwrap();
            }
            is_kept &= line != "connection: close";
            if status.is_empty() {
                status = line;
            }
        }
        connection.read_exact(&mut vec![0; length]).await.unwrap();
        kept = is_kept.then_some(connection);
        match status.get(9..12) {
            Some("401") => wrong += 1,
            Some("429") => slowed_down += 1,
            _ => panic!("{status}"),
        }
    }
    [wrong, slowed_down]
}

/// The exporter's count of passwords that were compared with a hash, wrong ones.
async fn checked(operator: &Site) -> f64 {
    let answer = operator.get("/metrics", &[]).await;
    let samples = Samples::parse(answer.text());
    let checks = samples.filter(|labels, _| {
        labels.metric_name().ends_with("_password_checks_total")
            && labels.get("outcome") == Some("Wrong")
    });
    checks.iter().map(|(_, sample)| sample.value).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_wrong_passwords_cost_little() {
    // As costly to check as operators have them.
    let tenant = |name| Tenant::of_organization(name).with_cost(10);
    let world = World::start_with(
        super::two_services(),
        &["tenant-a", "tenant-b"].map(tenant),
        "scrape_interval: 30s\n",
        &["--log.level=info"],
    )
    .await;
    let operator = world.operator();
    let Exporter {
        address, program, ..
    } = &world.exporter;
    // Proved before, from where the guesses will come from.
    let known = world.tenant("tenant-a");
    assert_eq!(known.get("/federate", &[]).await.status, 200);

    let before = program.processor_time();
    let guesses = tokio::spawn(guess(address.clone(), "tenant-a"));
    // From elsewhere, for the first time.
    let elsewhere = Site::new(format!("http://{address}")).from(Ipv4Addr::new(127, 0, 0, 9));
    let elsewhere = elsewhere.with_user("tenant-b", "tenant-b-password");
    assert_eq!(elsewhere.get("/federate", &[]).await.status, 200);
    let [wrong, slowed_down] = guesses.await.unwrap();
    let spent: Duration = program.processor_time() - before;
    println!("{GUESSES} wrong passwords: {spent:?} of processor time");
    assert_eq!(wrong + slowed_down, GUESSES);
    let checked = checked(&operator).await;
    assert!((1.0..=CHECKED).contains(&checked), "{checked}");
    assert!(wrong as f64 <= CHECKED, "{wrong}");

    // Who had a right password goes on, and so does everybody else.
    assert_eq!(known.get("/federate", &[]).await.status, 200);
    assert_eq!(operator.get("/federate", &[]).await.status, 200);
    let log = program.log();
    assert!(!log.contains("guess-") && !log.contains(OPERATOR), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_behind_a_proxy_are_told_apart() {
    let tenants = ["tenant-a", "tenant-b"].map(Tenant::of_organization);
    let flags = ["--web.trusted-proxies=1"];
    let world = World::start_with(super::two_services(), &tenants, "", &flags).await;
    let ask = async |user: &str, password: &str, forwarded: &str| {
        let site = world.exporter.site.clone().with_user(user, password);
        let headers = [("X-Forwarded-For", forwarded)];
        let answer = site.ask(reqwest::Method::GET, "/federate", &[], &headers);
        answer.await.status
    };
    // What the client itself says doesn't count: it is one address that guesses.
    for number in 0..20 {
        let forwarded = format!("10.0.0.{number}, 192.0.2.1");
        let status = ask("tenant-a", &format!("guess-{number}"), &forwarded).await;
        assert!([401, 429].contains(&status), "{status}");
    }
    assert_eq!(ask("tenant-a", "another", "10.0.0.9, 192.0.2.1").await, 429);
    assert_eq!(
        ask("tenant-a", "tenant-a-password", "192.0.2.1, 192.0.2.2").await,
        200
    );
}
