//! A tenant that takes its time, beside others.

use tokio::io::AsyncReadExt as _;
use tokio::time::timeout;

use super::{Tenant, World, two_services};
use crate::support::http::slow_reader_as;
use crate::support::system::{LONG_INTERVAL, large};
use crate::support::{PATIENCE, eventually, eventually_ok};

#[tokio::test(flavor = "multi_thread")]
async fn who_reads_slowly_waits_for_none_but_itself() {
    let mut slow = Tenant::of_organization("tenant-a");
    slow.more += "concurrency_limit: 1\n";
    let tenants = [slow, Tenant::of_organization("tenant-b")];
    let world = World::start_with(two_services(), &tenants, LONG_INTERVAL, &[]).await;
    let (tenant, other) = (world.tenant("tenant-a"), world.tenant("tenant-b"));
    // More than sockets take.
    let node = &world.aiven.nodes_of("prod-aaaa")[0];
    node.serve(large(10_000), "text/plain; version=0.0.4");
    let last = [("match[]", "large{number=\"9999\"}")];
    eventually_ok("the large exposition", async || {
        let answer = tenant.get("/federate", &last).await;
        let is_there = answer.text().contains("large{");
        is_there
            .then_some(())
            .ok_or_else(|| answer.text().to_owned())
    })
    .await;

    // The answer before has arrived, and may still have its place for a moment.
    let reader = eventually("an answer that has begun", async || {
        let (user, password) = ("tenant-a", "tenant-a-password");
        let path = "/federate?match[]=large";
        let mut reader = slow_reader_as(&world.exporter.address, path, user, password).await;
        let mut start = [0; 12];
        let read = timeout(PATIENCE, reader.read_exact(&mut start)).await;
        read.unwrap().unwrap();
        (start == *b"HTTP/1.1 200").then_some(reader)
    })
    .await;
    for path in ["/federate", "/api/v1/labels", "/targets"] {
        let refused = tenant.get(path, &[]).await;
        assert_eq!(refused.status, 429, "{path}");
        assert_eq!(refused.header("retry-after"), "1", "{path}");
        for site in [&other, &world.operator()] {
            assert_eq!(site.get(path, &[]).await.status, 200, "{path}");
        }
    }
    let health = world.exporter.site.get("/-/healthy", &[]).await;
    assert_eq!(health.status, 200);

    // With the connection goes the answer, and its place is free.
    drop(reader);
    eventually_ok("an answer", async || {
        let status = tenant.get("/federate", &last).await.status;
        (status == 200)
            .then_some(())
            .ok_or_else(|| status.to_string())
    })
    .await;
}
