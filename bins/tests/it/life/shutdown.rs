//! The end: by signal, and by kill.

use std::io;
use std::time::Duration;

use fixtures::MockAiven;
use fixtures::node::Fault;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

use crate::support::exporter::config;
use crate::support::http::slow_reader;
use crate::support::system::{LONG_INTERVAL, System};
use crate::support::{PATIENCE, eventually};

/// A system that serves `series` series of 2 KB each.
async fn large(series: usize) -> System {
    let one = MockAiven::builder().nodes(1);
    let system = System::configured(one, |aiven| config(aiven, LONG_INTERVAL)).await;
    system.serves_large(&system.aiven.nodes()[0], series).await;
    system
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_under_way_is_finished() {
    let series = 10_000;
    let mut system = large(series).await;
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
    let rest = tokio::time::timeout(PATIENCE, reader.read_to_end(&mut answer));
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
    assert!(system.has_logged("msg=stopped")[0].contains("clean=true"));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_hangs_holds_up_the_end() {
    let mut system = System::of(MockAiven::builder().nodes(20)).await;
    for node in system.aiven.nodes() {
        node.fail(Fault::Hang);
    }
    system.aiven.api().fail(fixtures::api::Fault::Hang);
    system.aiven.dns().fail(fixtures::dns::Fault::Silence);
    let hanging = system.aiven.nodes()[0].address();
    system.down(hanging, "context deadline exceeded").await;
    // Neither does a client that says nothing.
    let _mute = TcpStream::connect(&system.exporter.address).await.unwrap();
    system.terminates(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_stops_reading_does_not_hold_up_the_end_for_long() {
    let mut system = large(10_000).await;
    let mut reader = slow_reader(&system.exporter.address, "/federate?match[]=large").await;
    reader.read_exact(&mut [0; 1000]).await.unwrap();
    system.terminates(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_while_it_still_waits_for_its_first_targets() {
    let aiven = MockAiven::start().await.unwrap();
    aiven.api().fail(fixtures::api::Fault::Hang);
    let mut system = System::of_aiven(aiven, |aiven| config(aiven, ""), &[]).await;
    let listing = fixtures::api::Call::ListServices;
    let asked = system.aiven.api().wait_for(listing, 1, PATIENCE);
    asked.await.unwrap();
    system.terminates(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_takes_a_whole_processor_does_not_hold_up_the_end() {
    let one = MockAiven::builder().nodes(1);
    let mut system = System::configured(one, |aiven| config(aiven, LONG_INTERVAL)).await;
    let many = (0..20_000).map(|number| format!("many{{n=\"{number}\"}} 1\n"));
    let many: String = many.collect();
    system.aiven.nodes()[0].serve(many, "text/plain; version=0.0.4");
    eventually("the many series", async || {
        let last = system.federate("many{n=\"19999\"}").await;
        (last.len() == 1).then_some(())
    })
    .await;
    // None of them matches any series, which each has to be tried with.
    let selectors = (0..1500).map(|number| format!("match[]={{n=~'.*x{number}.*'}}"));
    let target = format!("/federate?{}", selectors.collect::<Vec<_>>().join("&"));
    let mut reader = slow_reader(&system.exporter.address, &target).await;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(reader.read_u8().await.unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 200 OK\r\n"));
    let before = system.exporter.program.processor_time();
    eventually("a busy processor", async || {
        let time = system.exporter.program.processor_time() - before;
        (time > Duration::from_millis(300)).then_some(())
    })
    .await;
    let end = reader.try_read(&mut [0]).unwrap_err();
    assert_eq!(end.kind(), io::ErrorKind::WouldBlock);
    system.exporter.program.signal("TERM");
    assert_eq!(system.exporter.program.ended().await.code(), Some(0));
    assert_eq!(system.has_logged("msg=stopped").len(), 1);
}
