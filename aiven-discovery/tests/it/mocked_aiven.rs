use std::collections::BTreeMap;
use std::time::Duration;

use aiven_discovery::api::SecretSource;
use aiven_discovery::config::{AivenSdConfig, BuildOptions, ServicesSource};
use aiven_discovery::discovery::Progress;
use aiven_discovery::output::{http_sd, sidecar};
use aiven_discovery::resolve::{Family, Nameservers, Resolve};
use aiven_discovery::target_group::NoTargets;
use fixtures::api::{Call, Fault};
use fixtures::{Integration, MockAiven, Service, dns, wait_until};
use prom_model::secret::Secret;
use tempfile::tempdir;

use crate::fakes::Running;

const BOUND: Duration = Duration::from_secs(20);

fn config(aiven: &MockAiven) -> AivenSdConfig {
    AivenSdConfig {
        prometheus_endpoint_id: Some(aiven.endpoint_id().to_owned()),
        api_url: Some(aiven.api_url().parse().expect("the mock has a URL")),
        nameservers: vec![aiven.nameserver()],
        refresh_interval: Duration::from_millis(50),
        integrate_interval: Duration::from_millis(50),
        dns_refresh_interval: Duration::from_millis(50),
        ..AivenSdConfig::new(aiven.project())
    }
}

fn start(aiven: &MockAiven, config: &AivenSdConfig) -> Running {
    let options = BuildOptions {
        api_token: Some(Secret::new(aiven.token())),
        ..BuildOptions::default()
    };
    Running::start(config.build("mock", &options).expect("a discoverer"))
}

fn nodes(aiven: &MockAiven, services: &[&str]) -> Vec<String> {
    let mut services = services.to_vec();
    services.sort_unstable();
    let addresses = services.iter().flat_map(|service| {
        let mut nodes: Vec<_> = aiven
            .nodes_of(service)
            .iter()
            .map(|node| node.address())
            .collect();
        nodes.sort_unstable();
        nodes
    });
    addresses.map(|address| address.to_string()).collect()
}

async fn targets_become(running: &Running, want: &[String]) {
    let reached = wait_until(BOUND, || running.targets() == want).await;
    assert!(
        reached.is_ok(),
        "{:?} never became {want:?}",
        running.targets()
    );
}

/// Waits until `count` more calls were answered.
async fn more_calls(aiven: &MockAiven, call: Call, count: u64) {
    let count = aiven.api().count(call) + count;
    aiven
        .api()
        .wait_for(call, count, BOUND)
        .await
        .expect("more calls");
}

#[tokio::test]
async fn services_are_integrated_and_found() {
    let builder = MockAiven::builder()
        .service(Service::elasticsearch("prod-es").tag("team", "search"))
        .service(
            Service::opensearch("prod-os")
                .nodes(2)
                .integration(Integration::Missing),
        )
        .service(
            Service::opensearch("prod-theirs")
                .integration(Integration::OtherEndpoint("other".into())),
        )
        .service(Service::of_type("pg", "prod-pg"));
    let aiven = builder.start().await.unwrap();
    let running = start(&aiven, &config(&aiven));
    targets_become(
        &running,
        &nodes(&aiven, &["prod-es", "prod-os", "prod-theirs"]),
    )
    .await;
    running.progress_becomes(Progress::Discovered).await;
    let groups = running.discovery.groups().borrow().clone();
    let labels: BTreeMap<_, _> = groups[0].labels.iter().collect();
    assert_eq!(labels["aiven_hostname"], aiven.host_of("prod-es").unwrap());
    assert_eq!(labels["__meta_aiven_tag_team"], "search");
    assert_eq!(labels["__meta_aiven_project"], aiven.project());
    let access = groups[0].access.clone().unwrap();
    let auth = access.basic_auth().unwrap();
    assert_eq!(auth.username, aiven.user());
    assert_eq!(auth.password.expose(), aiven.password());
    let identity = access.server_identity().unwrap();
    assert_eq!(identity.server_name, aiven.host_of("prod-es").unwrap());
    assert_eq!(identity.ca_pem, aiven.ca_pem());
    let integrated: Vec<_> = aiven
        .api()
        .requests_of(Call::CreateIntegration)
        .into_iter()
        .map(|request| request.body.unwrap()["source_service"].clone())
        .collect();
    assert_eq!(integrated, ["prod-os", "prod-theirs"]);

    aiven.set_password("another password");
    access.rejected(&auth);
    let renewed = wait_until(BOUND, || {
        access
            .basic_auth()
            .is_some_and(|auth| auth.password.expose() == "another password")
    });
    renewed.await.unwrap();
}

#[tokio::test]
async fn every_fault_of_the_api_leaves_the_targets() {
    let aiven = MockAiven::start().await.unwrap();
    let running = start(&aiven, &config(&aiven));
    let names = aiven.services();
    let want = nodes(&aiven, &[&names[0]]);
    targets_become(&running, &want).await;
    let faults = [
        Fault::Status(401),
        Fault::Status(403),
        Fault::Status(404),
        Fault::Disconnect,
        Fault::Truncated,
        Fault::MalformedJson,
        Fault::Html,
        Fault::Null,
        Fault::EmptyList,
        Fault::NonsenseItem,
        Fault::Body("{}".to_owned()),
        Fault::Body(
            r#"{"message": "internal", "errors": [{"status": 500}], "services": []}"#.to_owned(),
        ),
        Fault::Redirect("http://127.0.0.1:1/".to_owned()),
    ];
    for fault in faults {
        aiven.api().fail_call(Call::ListServices, fault.clone());
        more_calls(&aiven, Call::ListServices, 3).await;
        assert_eq!(running.targets(), want, "{fault:?}");
        aiven.api().heal();
        let healthy = || running.discovery.status().refresh_error.is_none();
        wait_until(BOUND, healthy).await.unwrap();
    }
    aiven.remove_service(&names[0]).await.unwrap();
    targets_become(&running, &[]).await;
}

#[tokio::test]
async fn dns_faults_leave_the_targets_and_new_nodes_are_found() {
    let aiven = MockAiven::builder()
        .services(2)
        .nodes(2)
        .start()
        .await
        .unwrap();
    let running = start(&aiven, &config(&aiven));
    let names = aiven.services();
    let both = [names[0].as_str(), names[1].as_str()];
    let want = nodes(&aiven, &both);
    targets_become(&running, &want).await;
    let host = aiven.host_of(&names[0]).unwrap();
    let faults = [
        dns::Fault::NoSuchName,
        dns::Fault::ServerFailure,
        dns::Fault::Refused,
        dns::Fault::Empty,
        dns::Fault::Garbage,
    ];
    for fault in faults {
        aiven.dns().fail_name(&host, fault);
        let failing = || {
            let status = running.discovery.status();
            let of = |name: &str| status.services.iter().find(|service| service.name == name);
            of(&names[0]).is_some_and(|service| service.dns_error.is_some())
        };
        let told = wait_until(BOUND, failing).await;
        assert!(told.is_ok(), "{fault:?} is no failure");
        assert_eq!(running.targets(), want, "{fault:?}");
        aiven.dns().heal();
    }
    // Maintenance: for a while old and new nodes are there.
    let old = aiven.nodes_of(&names[0])[0].clone();
    aiven.add_node(&names[0]).await.unwrap();
    targets_become(&running, &nodes(&aiven, &both)).await;
    aiven.remove_node(&old).await.unwrap();
    targets_become(&running, &nodes(&aiven, &both)).await;
}

#[tokio::test]
async fn the_services_file_decides_and_labels() {
    let aiven = MockAiven::builder()
        .services(2)
        .nodes(1)
        .start()
        .await
        .unwrap();
    let names = aiven.services();
    let folder = tempdir().unwrap();
    let path = folder.path().join("services.json");
    let listed = format!(
        r#"[{{"aiven_service": "{}", "extra_labels": {{"org_name": "o"}}}}]"#,
        names[1]
    );
    std::fs::write(&path, listed).unwrap();
    let running = start(
        &aiven,
        &AivenSdConfig {
            services: ServicesSource::ServicesFile(path.clone()),
            ..config(&aiven)
        },
    );
    targets_become(&running, &nodes(&aiven, &[&names[1]])).await;
    let groups = running.discovery.groups().borrow().clone();
    let rendered: serde_json::Value = serde_json::from_str(&sidecar::render(&groups)).unwrap();
    assert_eq!(rendered[0]["labels"]["org_name"], "o");
    let rendered: serde_json::Value = serde_json::from_str(&http_sd::render(&groups)).unwrap();
    assert_eq!(rendered[0]["targets"][0], nodes(&aiven, &[&names[1]])[0]);
    // A broken file changes nothing, and says where it is broken.
    std::fs::write(&path, "[{}]").unwrap();
    let failing = || running.discovery.status().catalogue_error.is_some();
    wait_until(BOUND, failing).await.unwrap();
    let error = running.discovery.status().catalogue_error.unwrap();
    assert!(error.contains("services.json:1:3: entry 1"), "{error}");
    assert_eq!(running.targets(), nodes(&aiven, &[&names[1]]));
    aiven.write_services_file(folder.path()).unwrap();
    targets_become(&running, &nodes(&aiven, &[&names[0], &names[1]])).await;
}

#[tokio::test]
async fn a_new_token_in_the_file_ends_a_401() {
    let aiven = MockAiven::builder().nodes(1).start().await.unwrap();
    let folder = tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "expired").unwrap();
    let running = start(
        &aiven,
        &AivenSdConfig {
            api_token: Some(SecretSource::File(token.clone())),
            ..config(&aiven)
        },
    );
    let refused = || running.discovery.status().refresh_error.is_some();
    wait_until(BOUND, refused).await.unwrap();
    let error = running.discovery.status().refresh_error.unwrap();
    assert!(
        error.starts_with("aiven refuses the token (401)"),
        "{error}"
    );
    assert_eq!(*running.discovery.progress().borrow(), Progress::Failed);
    std::fs::write(&token, aiven.token()).unwrap();
    targets_become(&running, &nodes(&aiven, &[&aiven.services()[0]])).await;
}

#[tokio::test]
async fn a_powered_off_service_says_why_it_has_no_targets() {
    let aiven = MockAiven::builder().nodes(1).start().await.unwrap();
    let running = start(&aiven, &config(&aiven));
    let name = aiven.services()[0].clone();
    targets_become(&running, &nodes(&aiven, &[&name])).await;
    aiven
        .update_service(&name, |service| service.state("POWEROFF"))
        .unwrap();
    targets_become(&running, &[]).await;
    let status = running.discovery.status();
    assert_eq!(status.services[0].no_targets, Some(NoTargets::PoweredOff));
}

#[tokio::test]
async fn nameservers_tell_addresses_of_both_families() {
    let dns = dns::Dns::start().await.unwrap();
    let resolver = Nameservers::new(&[dns.address()], Duration::from_secs(3)).unwrap();
    let of = |addresses: &[&str]| {
        addresses
            .iter()
            .map(|text| text.parse().unwrap())
            .collect::<Vec<_>>()
    };
    dns.set("both.test", of(&["10.0.0.1", "2001:db8::1"]));
    dns.set("v4.test", of(&["10.0.0.1", "10.0.0.2"]));
    dns.set("v6.test", of(&["2001:db8::1"]));
    for host in ["both.test", "v4.test", "v6.test"] {
        let mut got = resolver.resolve(host).await.unwrap();
        got.addresses.sort_unstable();
        assert_eq!(got.addresses, dns.addresses(host), "{host}");
        assert_eq!(got.unknown, None::<Family>, "{host}");
    }
    let literal = resolver.resolve("2001:db8::7").await.unwrap();
    assert_eq!(literal.addresses, of(&["2001:db8::7"]));
    // A long answer comes over TCP, and a zero TTL or a cache changes nothing.
    dns.fail(dns::Fault::Truncated);
    assert_eq!(
        resolver.resolve("v4.test").await.unwrap().addresses.len(),
        2
    );
    dns.heal();
    dns.set_ttl(3600);
    resolver.resolve("v4.test").await.unwrap();
    dns.set("v4.test", of(&["10.0.0.9"]));
    assert_eq!(
        resolver.resolve("v4.test").await.unwrap().addresses,
        of(&["10.0.0.9"])
    );
    assert_eq!(
        resolver
            .resolve("absent.test")
            .await
            .unwrap_err()
            .to_string(),
        "no addresses"
    );
    let patient = Nameservers::new(&[dns.address()], Duration::from_millis(100)).unwrap();
    dns.fail(dns::Fault::Silence);
    let error = patient.resolve("v4.test").await.unwrap_err().to_string();
    assert!(
        ["no answer within 100ms", "the lookup failed"].contains(&&*error),
        "{error}"
    );
}
