//! `aiven-service-discovery` for operators who keep a Prometheus of their own, and `/sd/targets`.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::IpAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use bins::args::{Args, Asked};
use bins::sidecar::{Sidecar, flags};
use fixtures::api::{Call, Fault};
use fixtures::node::{self, Motion, Node};
use fixtures::{MockAiven, Service};
use serde_json::{Value, json};

use crate::support::exporter::{Exporter, config, indented};
use crate::support::http::Site;
use crate::support::program::{Program, field};
use crate::support::prometheus::{Prometheus, promtool};
use crate::support::{eventually, eventually_ok};

/// The counters that operators have alerts on.
const COUNTERS: [&str; 10] = [
    "discoverer_dns_discoveries_total",
    "discoverer_dns_discovery_errors_total",
    "discoverer_write_targets_errors_total",
    "discoverer_write_targets_total",
    "fetcher_aiven_service_list_errors_total",
    "fetcher_fetches_total",
    "integrator_create_service_integration_errors_total",
    "integrator_create_service_integrations_total",
    "resolver_resolve_failures_total",
    "resolver_resolves_total",
];

const SERVICE: &str = "prod-0c1b4d0e-93a8-4c3f-8f5b-6c1d9d1e7a11";
const OTHER: &str = "prod-5d0c5c8a-7f5e-4a43-9d3c-0d4f1b9d7c55";
/// Without an integration.
const LACKING: &str = "prod-9c3e7a52-1f0b-4f5d-8a43-2b8f0c6de001";

/// The first rounds come at once, or this would take as long as their intervals.
#[tokio::test(flavor = "multi_thread")]
async fn the_old_flags_write_the_old_file() {
    let aiven = literal_hosts().await;
    let folder = tempfile::tempdir().unwrap();
    let names = folder.path().join("names");
    let listed = format!("{SERVICE}\n{OTHER}\n{LACKING}\nprod-off\nprod-unknown\n");
    std::fs::write(&names, listed).unwrap();
    let file = folder.path().join("targets.json");
    let mut sidecar = Program::start(
        command(&aiven, &file).arg(format!("-service-names-file={}", names.display())),
    );
    let written = written(&file, |groups| !groups.is_empty()).await;
    // The integration that a service lacked was created before the file was written.
    let want = json!([
        {
            "targets": ["127.200.0.1"],
            "labels": labels(SERVICE, "elasticsearch", "127.200.0.1", "medium-ha-7", 1),
        },
        {
            "targets": ["127.200.0.2"],
            "labels": labels(OTHER, "opensearch", "127.200.0.2", "small", 2),
        },
        {
            "targets": ["127.200.0.3"],
            "labels": labels(LACKING, "opensearch", "127.200.0.3", "medium-ha-7", 1),
        },
    ]);
    assert_eq!(Value::from(written), want);

    let site = metrics_site(&mut sidecar).await;
    let counters = eventually("the writing to be counted", async || {
        let counters = counters(&site).await;
        (counters["discoverer_write_targets_total"] > 0.0).then_some(counters)
    })
    .await;
    let names: Vec<&str> = counters.keys().map(String::as_str).collect();
    assert_eq!(names, COUNTERS);
    for (name, want) in [
        ("fetcher_fetches_total", 1.0),
        ("fetcher_aiven_service_list_errors_total", 0.0),
        ("discoverer_dns_discovery_errors_total", 0.0),
        ("resolver_resolve_failures_total", 0.0),
        ("integrator_create_service_integrations_total", 1.0),
        ("integrator_create_service_integration_errors_total", 0.0),
    ] {
        assert_eq!(counters[name], want, "{name}");
    }

    sidecar.signal("TERM");
    assert_eq!(sidecar.ended().await.code(), Some(0));
    assert_eq!(Value::from(written_now(&file).unwrap()), want);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_services_file_adds_labels() {
    let aiven = literal_hosts().await;
    // What can't be integrated is left out.
    let refused = Fault::Status(403);
    aiven.api().fail_call(Call::CreateIntegration, refused);
    let folder = tempfile::tempdir().unwrap();
    let services = folder.path().join("services.json");
    let listed = json!([
        {"aiven_service": OTHER, "extra_labels": {"org_name": "ministry", "space_name": "live"}},
        {"aiven_service": LACKING, "extra_labels": {}},
    ]);
    std::fs::write(&services, listed.to_string()).unwrap();
    let file = folder.path().join("targets.json");
    let mut sidecar = Program::start(
        command(&aiven, &file).arg(format!("--services-file={}", services.display())),
    );
    let written = written(&file, |groups| !groups.is_empty()).await;
    let mut want = labels(OTHER, "opensearch", "127.200.0.2", "small", 2);
    want["org_name"] = "ministry".into();
    want["space_name"] = "live".into();
    assert_eq!(
        Value::from(written),
        json!([{"targets": ["127.200.0.2"], "labels": want}])
    );
    sidecar.signal("INT");
    assert_eq!(sidecar.ended().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs prometheus on PATH"]
async fn prometheus_scrapes_what_the_file_and_http_sd_say() {
    let aiven = three_nodes().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("targets.json");
    // The host name is one that only the mocked name server knows, which no flag can say.
    let mut settings = flags::settings(&parsed(&arguments(&aiven, &file)), &|name| {
        (name == "AIVEN_WEB_URL").then(|| aiven.api_url())
    })
    .unwrap();
    settings.discovery.nameservers = vec![aiven.nameserver()];
    let sidecar = Sidecar::start(settings).await.unwrap();
    let http_sd = sidecar.http_sd_addr().unwrap();
    let (_stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(sidecar.run(async {
        // Ends with the test.
        let _ = stopped.await;
    }));

    let nodes = aiven.nodes();
    let port = nodes[0].address().port();
    let scraping = indented(&scraping(&aiven, folder.path()));
    let append_port = format!(
        "  relabel_configs:\n  \
         - {{source_labels: [__address__], target_label: __address__, replacement: '${{1}}:{port}'}}\n"
    );
    let config = format!(
        "global: {{scrape_interval: 500ms}}\nscrape_configs:\n\
         - job_name: file\n{scraping}{append_port}  file_sd_configs: [{{files: ['{}']}}]\n\
         - job_name: http\n{scraping}  http_sd_configs: [{{url: 'http://{http_sd}/sd/targets'}}]\n",
        file.display()
    );
    let prometheus = Prometheus::start(folder.path(), &config).await;
    for job in ["file", "http"] {
        wait_until_up(&prometheus, job, &nodes).await;
        let query = format!("elasticsearch_jvm_uptime_in_millis{{job=\"{job}\"}}");
        for series in prometheus.query(&query).await {
            let labels = &series["metric"];
            let want = labels_of(&nodes[0]);
            for (name, want) in want.as_object().unwrap() {
                assert_eq!(&labels[name], want, "{job} {name}");
            }
        }
    }
    running.abort();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs prometheus on PATH"]
async fn prometheus_scrapes_what_the_exporter_discovers() {
    let aiven = three_nodes().await;
    let folder = tempfile::tempdir().unwrap();
    let exporter = Exporter::start(folder.path(), &config(&aiven, ""), &[]).await;
    exporter.all_up(&aiven).await;
    let config = format!(
        "global: {{scrape_interval: 500ms}}\nscrape_configs:\n- job_name: itself\n{}  \
         http_sd_configs: [{{url: '{}'}}]\n  relabel_configs:\n  \
         - {{action: labelmap, regex: __meta_(aiven_service_state)}}\n",
        indented(&scraping(&aiven, folder.path())),
        exporter.site.url("/sd/targets"),
    );
    let prometheus = Prometheus::start(folder.path(), &config).await;
    let nodes = aiven.nodes();
    wait_until_up(&prometheus, "itself", &nodes).await;
    let up = prometheus.query("up{job=\"itself\"}").await;
    for series in up {
        let mut want = labels_of(&nodes[0]);
        want["__name__"] = "up".into();
        want["job"] = "itself".into();
        want["instance"] = series["metric"]["instance"].clone();
        want["aiven_service_state"] = "RUNNING".into();
        assert_eq!(series["metric"], want);
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs prometheus on PATH"]
async fn promtool_has_nothing_to_say_about_our_metrics() {
    let aiven = three_nodes().await;
    let folder = tempfile::tempdir().unwrap();
    let exporter = Exporter::start(folder.path(), &config(&aiven, ""), &[]).await;
    exporter.all_up(&aiven).await;
    // A failure, so that metrics with a label for its reason are there.
    aiven.nodes()[0].fail(node::Fault::Status(500));
    exporter.site.get("/federate", &[("match[]", "{")]).await;
    eventually("a failed scrape", async || {
        let up = exporter.site.get("/federate", &[("match[]", "up")]).await;
        up.text().contains("} 0 ").then_some(())
    })
    .await;
    check(&exporter.site).await;

    let aiven = literal_hosts().await;
    let file = folder.path().join("targets.json");
    let mut sidecar = Program::start(&mut command(&aiven, &file));
    written(&file, |groups| !groups.is_empty()).await;
    check(&metrics_site(&mut sidecar).await).await;
}

/// Has promtool check what `site` says of itself.
async fn check(site: &Site) {
    let answer = site.get("/metrics", &[]).await;
    assert_eq!(answer.status, 200);
    assert!(
        answer
            .header("content-type")
            .starts_with("text/plain; version=0.0.4"),
        "{}",
        answer.header("content-type")
    );
    let mut promtool = promtool()
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = promtool.stdin.take().unwrap();
    std::io::Write::write_all(&mut stdin, &answer.body).unwrap();
    drop(stdin);
    let said = promtool.wait_with_output().unwrap();
    let (out, err) = (
        String::from_utf8_lossy(&said.stdout),
        String::from_utf8_lossy(&said.stderr),
    );
    assert!(said.status.success(), "{out}{err}\n{}", answer.text());
    assert_eq!((&*out, &*err), ("", ""));
}

/// Three nodes with values that stand still.
async fn three_nodes() -> MockAiven {
    let builder = MockAiven::builder().motion(Motion::Frozen);
    builder.start().await.unwrap()
}

/// Services whose host names are addresses, which the resolver of every system knows, and some that
/// can't be scraped.
async fn literal_hosts() -> MockAiven {
    MockAiven::builder()
        .service(Service::elasticsearch(SERVICE).nodes(1).host("127.200.0.1"))
        .service(
            Service::opensearch(OTHER)
                .nodes(2)
                .plan("small")
                .host("127.200.0.2"),
        )
        .service(
            Service::opensearch(LACKING)
                .nodes(1)
                .host("127.200.0.3")
                .without_integration(),
        )
        .service(Service::opensearch("prod-off").powered_off())
        .service(
            Service::opensearch("prod-of-somebody-else")
                .nodes(1)
                .host("127.200.0.4")
                .integration(fixtures::Integration::OtherEndpoint("another".to_owned())),
        )
        .service(
            Service::of_type("pg", "prod-database")
                .nodes(1)
                .host("127.200.0.5"),
        )
        .start()
        .await
        .unwrap()
}

/// The flags that operators' manifests have.
fn arguments(aiven: &MockAiven, file: &Path) -> Vec<String> {
    vec![
        format!("-aiven-api-token={}", aiven.token()),
        format!("-aiven-project={}", aiven.project()),
        format!("-aiven-prometheus-endpoint-id={}", aiven.endpoint_id()),
        format!("-service-discovery-target-path={}", file.display()),
        "-prometheus-listen-port=0".to_owned(),
        "--http-sd-listen-address=127.0.0.1:0".to_owned(),
    ]
}

fn parsed(arguments: &[String]) -> Args {
    match Args::parse(flags::FLAGS, arguments.iter().map(OsString::from)) {
        Ok(Asked::Run(args)) => args,
        other => panic!("{other:?}"),
    }
}

fn command(aiven: &MockAiven, file: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aiven-service-discovery"));
    command
        .env_clear()
        .env("AIVEN_WEB_URL", aiven.api_url())
        .args(arguments(aiven, file));
    command
}

/// Where `sidecar` serves `/metrics`.
async fn metrics_site(sidecar: &mut Program) -> Site {
    let port = sidecar
        .log_line(|line| {
            let address = field(line, "address").filter(|_| line.contains("listening, metrics"))?;
            Some(address.rsplit(':').next()?.to_owned())
        })
        .await;
    Site::new(format!("http://127.0.0.1:{port}"))
}

/// The counters at `site` that aren't about the process.
async fn counters(site: &Site) -> BTreeMap<String, f64> {
    let answer = site.get("/metrics", &[]).await;
    let counters = answer.text().lines().filter_map(|line| {
        let (name, value) = line.split_once(' ')?;
        let is_ours = !name.starts_with('#') && !name.starts_with("process_");
        is_ours.then(|| (name.to_owned(), value.parse().unwrap()))
    });
    counters.collect()
}

/// The target file once it is one that `is_wanted`.
async fn written(file: &Path, is_wanted: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    eventually("the target file", async || {
        written_now(file).filter(|groups| is_wanted(groups))
    })
    .await
}

/// The target file, if there is one.
fn written_now(file: &Path) -> Option<Vec<Value>> {
    let text = std::fs::read(file).ok()?;
    // It is replaced as a whole, so that nobody ever reads the half of one.
    Some(serde_json::from_slice(&text).unwrap())
}

fn labels(service: &str, service_type: &str, host: &str, plan: &str, nodes: usize) -> Value {
    json!({
        "aiven_service_name": service,
        "aiven_service_type": service_type,
        "aiven_hostname": host,
        "aiven_plan": plan,
        "aiven_cloud": "aws-eu-west-1",
        "aiven_node_count": nodes.to_string(),
    })
}

fn labels_of(node: &Node) -> Value {
    labels(
        node.service(),
        "elasticsearch",
        node.host(),
        "medium-ha-7",
        3,
    )
}

/// The keys of a job by which a Prometheus scrapes the nodes of `aiven`'s only service.
fn scraping(aiven: &MockAiven, folder: &Path) -> String {
    let ca = folder.join("ca.pem");
    std::fs::write(&ca, aiven.ca_pem()).unwrap();
    let host = aiven.host_of(&aiven.services()[0]).unwrap();
    format!(
        "scheme: https\ntls_config: {{ca_file: '{}', server_name: {host}}}\n\
         basic_auth: {{username: {}, password: {}}}\n",
        ca.display(),
        aiven.user(),
        aiven.password(),
    )
}

/// Waits until exactly `nodes` are the targets of `job`, all of them up.
async fn wait_until_up(prometheus: &Prometheus, job: &str, nodes: &[Node]) {
    let mut want: Vec<String> = nodes.iter().map(|it| it.address().to_string()).collect();
    want.sort_unstable();
    eventually_ok("targets that are up", async || {
        let up = prometheus.query(&format!("up{{job=\"{job}\"}} == 1")).await;
        let instance = |series: &Value| series["metric"]["instance"].as_str().map(str::to_owned);
        let mut have: Vec<String> = up.iter().filter_map(instance).collect();
        have.sort_unstable();
        match have == want {
            true => Ok(()),
            false => Err(format!("{:?}", prometheus.targets().await)),
        }
    })
    .await;
    assert!(want.iter().all(|it| {
        let address: std::net::SocketAddr = it.parse().unwrap();
        matches!(address.ip(), IpAddr::V4(ip) if ip.is_loopback())
    }));
}
