//! Nothing that the exporter shows, logs or keeps has a secret in it, whatever goes wrong.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use fixtures::api::{Call, Fault};
use fixtures::{MockAiven, dns, node};

use crate::support::exporter::{SCRAPE_INTERVAL, discovery, indented};
use crate::support::http::Site;
use crate::support::system::System;
use crate::support::{PATIENCE, eventually};

/// In the configuration file only.
const CONFIGURED: [&str; 8] = [
    "secret-of-basic-auth",
    "secret-of-authorization",
    "secret-of-a-header",
    "secret-of-http-sd",
    "secret-in-a-url",
    "secret-in-a-file",
    "secret-in-a-client-key",
    "secret-of-before-the-rotation",
];

/// Each of these reloads fails close to the secret `secret-that-is-misplaced`.
const MISPLACED: [&str; 7] = [
    "basic_auth: {username: a, password: [secret-that-is-misplaced]}",
    "basic_auth: {username: a, password: b, passwort: secret-that-is-misplaced}",
    "basic_auth: secret-that-is-misplaced",
    "authorization: {credentials: {a: secret-that-is-misplaced}}",
    "http_sd_configs: [{url: 'ftp://a:secret-that-is-misplaced@h/'}]",
    "aiven_sd_configs: [{project: p, integrate: false, api_url: 'http://a:secret-that-is-misplaced@h'}]",
    "aiven_sd_configs: [{project: p, integrate: false, api_token: [secret-that-is-misplaced]}]",
];

fn config(aiven: &MockAiven) -> String {
    let dead = "static_configs: [{targets: ['127.0.0.1:1']}]";
    format!(
        "global: {{scrape_interval: {SCRAPE_INTERVAL}}}\nscrape_configs:\n- job_name: aiven\n{}\
         - job_name: basic\n  basic_auth: {{username: own, password: secret-of-basic-auth}}\n  {dead}\n\
         - job_name: bearer\n  authorization: {{credentials: secret-of-authorization}}\n  {dead}\n\
         - job_name: header\n  http_headers: {{X-Token: {{secrets: [secret-of-a-header]}}}}\n  {dead}\n\
         - job_name: file\n  basic_auth: {{username: own, password_file: password}}\n  {dead}\n\
         - job_name: key\n  tls_config: {{cert: no-certificate, key: secret-in-a-client-key}}\n  scheme: https\n  \
         {dead}\n\
         - job_name: http_sd\n  http_sd_configs:\n  \
         - {{url: 'http://sd:secret-in-a-url@127.0.0.1:1/', refresh_interval: 1s}}\n  \
         - {{url: 'http://127.0.0.1:1/', refresh_interval: 1s, authorization: {{credentials: secret-of-http-sd}}}}\n",
        indented(&discovery(aiven)),
    )
}

/// Every page that there is, and every answer to somebody who may not see it.
async fn everything_served(site: &Site) -> String {
    let all = [("match[]", "{__name__=~\".+\"}")];
    let bad = [("match[]", "{secret")];
    let mut text = String::new();
    for (path, query) in [
        ("/", &[][..]),
        ("/targets", &[]),
        ("/federate", &all),
        ("/federate", &bad),
        ("/metrics", &[]),
        ("/sd/targets", &[]),
        ("/nowhere", &[]),
        ("/api/v1/targets", &[]),
        ("/api/v1/targets/metadata", &[]),
        ("/api/v1/metadata", &[]),
        ("/api/v1/labels", &[]),
        ("/api/v1/label/job/values", &[]),
        ("/api/v1/series", &all),
        ("/api/v1/status/config", &[]),
        ("/api/v1/status/flags", &[]),
        ("/api/v1/status/buildinfo", &[]),
        ("/api/v1/status/runtimeinfo", &[]),
    ] {
        let answer = site.get(path, query).await;
        assert!(
            [200, 400, 404].contains(&answer.status),
            "{path}: {}",
            answer.status
        );
        text += &format!("== {path} {:?}\n{}\n", answer.headers, answer.text());
    }
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_shown_logged_or_kept() {
    let aiven = MockAiven::builder()
        .nodes(2)
        .credentials("endpoint-user", "secret-of-before-the-rotation")
        .start()
        .await
        .unwrap();
    let state = tempfile::tempdir().unwrap();
    let state_flag = format!("--state.path={}", state.path().join("known").display());
    let text = config(&aiven);
    let system = System::of_aiven(aiven, |_| text.clone(), &[&state_flag]).await;
    std::fs::write(system.folder.path().join("password"), "secret-in-a-file").unwrap();
    let node = system.aiven.nodes()[0].clone();
    node.wait_for_scrapes(2, PATIENCE).await.unwrap();
    let mut seen = everything_served(&system.exporter.site).await;
    assert!(seen.contains("elasticsearch_") && seen.contains("<secret>"));
    let mut secrets = system.aiven.secrets();

    // Whatever can go wrong at Aiven, …
    let api = system.aiven.api();
    for fault in [
        Fault::Status(401),
        Fault::Status(403),
        Fault::Html,
        Fault::MalformedJson,
        Fault::Null,
        Fault::NonsenseItem,
        Fault::EmptyList,
        Fault::Redirect("http://u:secret-in-a-url@127.0.0.1:1/".to_owned()),
    ] {
        api.fail(fault);
        let count = api.count(Call::ListServices) + 1;
        api.wait_for(Call::ListServices, count, PATIENCE)
            .await
            .unwrap();
        seen += &everything_served(&system.exporter.site).await;
        api.heal();
    }
    system.aiven.dns().fail(dns::Fault::ServerFailure);
    // … at a node, …
    system.aiven.set_password("secret-of-after-the-rotation");
    secrets.extend(system.aiven.secrets());
    eventually("credentials that are read again", async || {
        (api.count(Call::Endpoint) >= 2).then_some(())
    })
    .await;
    node.fail(node::Fault::Redirect(
        "https://u:secret-in-a-url@127.0.0.1:1/".to_owned(),
    ));
    let count = node.scrape_count() + 2;
    node.wait_for_scrapes(count, PATIENCE).await.unwrap();
    seen += &everything_served(&system.exporter.site).await;
    // … and in the configuration file.
    for misplaced in MISPLACED {
        system.write_config(&format!("{text}- job_name: broken\n  {misplaced}\n"));
        let answer = system.exporter.reload().await;
        assert_eq!(answer.status, 500, "{misplaced}");
        assert!(answer.text().contains("exporter.yml:"), "{}", answer.text());
        seen += answer.text();
    }
    for entry in std::fs::read_dir(state.path().join("known")).unwrap() {
        seen += &std::fs::read_to_string(entry.unwrap().path()).unwrap();
    }
    assert!(seen.contains("BEGIN CERTIFICATE"));
    seen += &system.exporter.program.log();
    seen += &system.exporter.program.stdout();

    secrets.extend(CONFIGURED.map(str::to_owned));
    secrets.push("secret-that-is-misplaced".to_owned());
    for pair in [
        "own:secret-of-basic-auth",
        "own:secret-in-a-file",
        "endpoint-user:secret-of-before-the-rotation",
        "endpoint-user:secret-of-after-the-rotation",
    ] {
        secrets.push(BASE64_STANDARD.encode(pair));
    }
    for secret in secrets {
        let place = seen
            .find(&secret)
            .map(|at| &seen[at.saturating_sub(200)..at]);
        assert_eq!(place, None, "{secret} is shown behind this");
    }
}
