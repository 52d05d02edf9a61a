//! Each tenant's own Prometheus, with its own password and with another's.

use super::World;
use crate::support::eventually_ok;
use crate::support::prometheus::Prometheus;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs prometheus on PATH"]
async fn every_tenants_prometheus_has_its_own_series_alone() {
    let world = World::of_two().await;
    let config = |user: &str, password: &str| {
        format!(
            "global: {{scrape_interval: 500ms, scrape_timeout: 500ms}}\nscrape_configs:\n- job_name: federate\n  \
             metrics_path: /federate\n  honor_labels: true\n  params: {{'match[]': ['{{__name__=~\".+\"}}']}}\n  \
             basic_auth: {{username: {user}, password: {password}}}\n  static_configs: [{{targets: ['{}']}}]\n",
            world.exporter.address
        )
    };
    for (own, other) in [("tenant-a", "tenant-b"), ("tenant-b", "tenant-a")] {
        let folder = tempfile::tempdir().unwrap();
        let prometheus =
            Prometheus::start(folder.path(), &config(own, &format!("{own}-password"))).await;
        let mine = format!("{{org_name=\"{own}\",__name__!~\"scrape_.*\"}}");
        let want = world
            .tenant(own)
            .get("/federate", &[("match[]", &mine)])
            .await;
        let want = crate::support::samples::Samples::parse(want.text());
        assert!(want.len() > 1000, "{}", want.len());
        eventually_ok("all of the tenant's series", async || {
            let have = prometheus.federate(&[&mine]).await;
            match have.differences(&want) {
                none if none.is_empty() => Ok(()),
                some => Err(some.join("\n")),
            }
        })
        .await;
        let theirs = format!("{{org_name=\"{other}\"}}");
        assert!(prometheus.federate(&[&theirs]).await.is_empty());
        let all = prometheus.federate(&["{aiven_service_name!=\"\"}"]).await;
        assert!(
            all.iter()
                .all(|(labels, _)| labels.get("org_name") == Some(own))
        );

        let folder = tempfile::tempdir().unwrap();
        let prometheus =
            Prometheus::start(folder.path(), &config(own, &format!("{other}-password"))).await;
        eventually_ok("a target that is down", async || {
            let targets = prometheus.targets().await;
            let error = targets
                .first()
                .and_then(|target| target["lastError"].as_str());
            let error = error.unwrap_or_default();
            match error.contains("401 Unauthorized") {
                true => Ok(()),
                false => Err(format!("{targets:?}")),
            }
        })
        .await;
        assert!(
            prometheus
                .federate(&["{aiven_service_name!=\"\"}"])
                .await
                .is_empty()
        );
    }
}
