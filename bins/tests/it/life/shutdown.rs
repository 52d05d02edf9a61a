//! The end: by signal, and by kill.

use std::fmt::Write as _;
use std::time::Duration;

use fixtures::MockAiven;
use fixtures::node::Fault;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

use crate::support::http::slow_reader;
use crate::support::system::System;
use crate::support::{PATIENCE, eventually};

/// What the platform gives a program to end.
const GRACE: Duration = Duration::from_secs(10);

impl System {
    /// Sends SIGTERM and waits for the exit code, for as long as the platform waits.
    async fn terminate(&mut self) -> Option<i32> {
        self.exporter.program.signal("TERM");
        let ended = tokio::time::timeout(GRACE, self.exporter.program.ended()).await;
        ended.unwrap().code()
    }
}

/// An exposition of `series` series in about 2 KB each.
fn large_exposition(series: usize) -> String {
    let filler = "x".repeat(2000);
    let mut text = String::new();
    for number in 0..series {
        writeln!(
            text,
            "large{{number=\"{number}\",filler=\"{filler}\"}} {number}"
        )
        .unwrap();
    }
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_under_way_is_finished() {
    let mut system = System::of(MockAiven::builder().nodes(1)).await;
    let series = 10_000;
    system.aiven.nodes()[0].serve(large_exposition(series), "text/plain; version=0.0.4");
    eventually("the large exposition", async || {
        let few = system.federate(r#"large{number=~"1|9999"}"#).await;
        (few.len() == 2).then_some(())
    })
    .await;
    let address = system.exporter.address.clone();
    let mut reader = slow_reader(&address, "/federate?match[]=large").await;
    let mut answer = vec![0; 1000];
    reader.read_exact(&mut answer).await.unwrap();

    system.exporter.program.signal("TERM");
    eventually("refused connections", async || {
        TcpStream::connect(&address).await.is_err().then_some(())
    })
    .await;
    // What is on its way must not be all there is.
    let rest = tokio::time::timeout(GRACE, reader.read_to_end(&mut answer));
    rest.await.unwrap().unwrap();
    assert!(answer.len() > 20_000_000, "{}", answer.len());
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"));
    assert!(
        answer.ends_with("\r\n0\r\n\r\n"),
        "the last chunk is missing"
    );
    // Chunks may break lines, but not this short beginning of each but for a few.
    let begun = answer.matches("large{").count();
    assert!(begun + 1000 > series, "{begun}");
    assert_eq!(system.exporter.program.ended().await.code(), Some(0));
    assert!(system.logged("msg=stopped")[0].contains("clean=true"));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_hangs_holds_up_the_end() {
    let mut system = System::of(MockAiven::builder().nodes(20)).await;
    for node in system.aiven.nodes() {
        node.fail(Fault::Hang);
    }
    system.aiven.api().fail(fixtures::api::Fault::Hang);
    system.aiven.dns().fail(fixtures::dns::Fault::Silence);
    system.down(system.aiven.nodes()[0].address()).await;
    // Neither does a client that says nothing.
    let _mute = TcpStream::connect(&system.exporter.address).await.unwrap();
    assert_eq!(system.terminate().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_stops_reading_does_not_hold_up_the_end_for_long() {
    let mut system = System::of(MockAiven::builder().nodes(1)).await;
    system.aiven.nodes()[0].serve(large_exposition(10_000), "text/plain; version=0.0.4");
    eventually("the large exposition", async || {
        let few = system.federate(r#"large{number="9999"}"#).await;
        (few.len() == 1).then_some(())
    })
    .await;
    let mut reader = slow_reader(&system.exporter.address, "/federate?match[]=large").await;
    reader.read_exact(&mut [0; 1000]).await.unwrap();
    assert_eq!(system.terminate().await, Some(0));
    assert!(system.logged("msg=stopped")[0].contains("clean=false"));
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_while_it_still_waits_for_its_first_targets() {
    let aiven = MockAiven::start().await.unwrap();
    aiven.api().fail(fixtures::api::Fault::Hang);
    let config = |aiven: &MockAiven| crate::support::system::config(aiven, "");
    let mut system = System::of_aiven(aiven, config, &[]).await;
    let listing = fixtures::api::Call::ListServices;
    let asked = system.aiven.api().wait_for(listing, 1, PATIENCE);
    asked.await.unwrap();
    assert_eq!(system.terminate().await, Some(0));
}
