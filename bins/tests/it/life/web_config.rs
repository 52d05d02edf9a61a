//! `--web.config.file`: TLS and users, read again when the file changes.

use std::path::Path;

use fixtures::MockAiven;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use reqwest::Method;

use crate::support::eventually;
use crate::support::exporter::{Exporter, config};
use crate::support::http::Site;

/// Of `first-pass` and `second-pass`, at the lowest cost.
const FIRST: &str = "$2b$04$nFabHJrBNpvHbarxDJvo9.nrtJ20c2FOL1c9z6QnSRF6vgyA9IMLu";
const SECOND: &str = "$2b$04$teLAJgtyC4.whXyJzm7weuu9WWIYylu.enaGk3ZFujttGkr2YlsoC";

const SUCCESSFUL: &str = "elasticsearch_metric_exporter_web_config_last_reload_successful";

fn write(folder: &Path, users: &str) {
    let tls = "tls_server_config: {cert_file: cert.pem, key_file: key.pem}\n";
    // At once, so that no half of it is read.
    std::fs::write(folder.join("new.yml"), format!("{tls}{users}")).unwrap();
    std::fs::rename(folder.join("new.yml"), folder.join("web.yml")).unwrap();
}

fn user(hash: &str) -> String {
    format!("basic_auth_users: {{tenant: '{hash}'}}\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_and_users_follow_the_file() {
    let aiven = MockAiven::builder().nodes(1).start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    std::fs::write(folder.path().join("cert.pem"), cert.pem()).unwrap();
    std::fs::write(folder.path().join("key.pem"), signing_key.serialize_pem()).unwrap();
    write(folder.path(), &user(FIRST));
    let flag = format!(
        "--web.config.file={}",
        folder.path().join("web.yml").display()
    );
    let exporter = Exporter::start(folder.path(), &config(&aiven, ""), &[&flag]).await;

    let base = format!("https://{}", exporter.address);
    let site = Site::trusting(&base, cert.der().clone());
    let (first, second) = (
        site.clone().with_user("tenant", "first-pass"),
        site.clone().with_user("tenant", "second-pass"),
    );
    let status = async |site: &Site| site.get("/metrics", &[]).await.status;
    assert_eq!(status(&first).await, 200);
    assert_eq!(status(&second).await, 401);
    assert_eq!(status(&site).await, 401);
    // Health is nobody's secret, but still behind TLS.
    for method in [Method::GET, Method::HEAD] {
        assert_eq!(site.ask(method, "/-/healthy", &[], &[]).await.status, 200);
    }
    let plain = exporter
        .site
        .try_ask(Method::GET, "/-/healthy", &[], &[])
        .await;
    assert!(plain.is_err());
    let stranger = Site::new(&base);
    assert!(
        stranger
            .try_ask(Method::GET, "/-/healthy", &[], &[])
            .await
            .is_err()
    );

    write(folder.path(), &user(SECOND));
    eventually("the new password", async || {
        (status(&second).await == 200).then_some(())
    })
    .await;
    assert_eq!(status(&first).await, 401);

    // What is broken changes nothing and is told, and so is what would let everybody in.
    for broken in ["basic_auth_users: {tenant: plain-password}\n", ""] {
        let told = exporter.program.log().matches("level=WARN").count();
        write(folder.path(), broken);
        eventually("a file that is not taken", async || {
            (exporter.program.log().matches("level=WARN").count() > told).then_some(())
        })
        .await;
        let metrics = second.get("/metrics", &[]).await;
        assert!(metrics.text().contains(&format!("{SUCCESSFUL} 0\n")));
        assert_eq!(
            (status(&second).await, status(&site).await),
            (200, 401),
            "{broken}"
        );
    }
    let log = exporter.program.log();
    for secret in [FIRST, SECOND, "first-pass", "second-pass", "plain-password"] {
        assert!(!log.contains(secret), "{secret}");
    }
}
