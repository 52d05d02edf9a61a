//! What the page of targets says of services.

use fixtures::api::{Call, Fault};
use fixtures::{MockAiven, Service, dns};
use serde_json::{Value, json};

use super::aiven_job;
use crate::support::eventually_ok;
use crate::support::exporter::Exporter;

/// One service of each kind that the page tells apart.
async fn aiven() -> MockAiven {
    let builder = MockAiven::builder()
        .service(Service::opensearch("prod-fine").nodes(2))
        .service(
            Service::elasticsearch("prod-moving")
                .nodes(3)
                .state("REBALANCING")
                .node_state(2, "syncing_data"),
        )
        .service(Service::opensearch("prod-lost").nodes(1))
        .service(Service::opensearch("prod-off").nodes(1).powered_off())
        .service(
            Service::opensearch("prod-bare")
                .nodes(1)
                .without_integration(),
        )
        .service(Service::opensearch("prod-other").nodes(1).unlisted());
    let aiven = builder.start().await.unwrap();
    let lost = aiven.host_of("prod-lost").unwrap();
    aiven.dns().fail_name(&lost, dns::Fault::NoSuchName);
    aiven
        .api()
        .fail_call(Call::CreateIntegration, Fault::Status(403));
    aiven
}

#[tokio::test(flavor = "multi_thread")]
async fn services_say_what_is_wrong_with_them() {
    let aiven = aiven().await;
    let folder = tempfile::tempdir().unwrap();
    let services = aiven.write_services_file(folder.path()).unwrap();
    let text = std::fs::read_to_string(&services).unwrap();
    let mut listed: Vec<Value> = serde_json::from_str(&text).unwrap();
    listed.push(json!({ "aiven_service": "prod-<gone>" }));
    std::fs::write(&services, json!(listed).to_string()).unwrap();
    let more = format!("    services_file: {}\n", services.display());
    let config = format!("scrape_configs:\n{}", aiven_job("aiven", &aiven, &more));
    let exporter = Exporter::start(folder.path(), &config, &[]).await;

    let want = [
        "<b>5</b> of 6 services not as they should be",
        "<td class=\"name\">prod-&lt;gone&gt;</td>",
        "in the catalogue, but not in the project",
        "<td class=\"name\">prod-bare</td>",
        "integration can&#39;t be enabled: aiven forbids this to the token (403)",
        "no targets: without integration with the endpoint",
        "<td class=\"name\">prod-lost</td>",
        "lookup of its host name fails: no addresses",
        "<span class=\"state unknown\">REBALANCING</span></td><td class=\"name\">prod-moving</td>",
        ": <b>syncing_data</b></span> <span class=\"label\">2 running</span> </td><td>3</td>",
        "<span class=\"state unknown\">POWEROFF</span></td><td class=\"name\">prod-off</td>",
        "no targets: powered off",
        "1 service as it should be",
        "<td class=\"name\">prod-fine</td>",
        "<h3>prod-moving</h3>\n<p class=\"why\"><span class=\"state unknown\">REBALANCING</span>",
    ];
    let page = eventually_ok("the page", async || {
        let page = exporter.site.get("/targets", &[]).await;
        let page = page.text().to_owned();
        let mut rest = &*page;
        for text in want {
            match rest.split_once(text) {
                Some((_, behind)) => rest = behind,
                None => return Err(format!("no {text} in {rest}")),
            }
        }
        Ok(page)
    })
    .await;
    assert!(!page.contains("prod-other"), "{page}");
}
