//! The sections on tenants, checked, reloaded and shown.

use std::process::Command;

use federate_server::auth::CHALLENGE;

use super::{OPERATOR, Tenant, World, hash, job, sections};
use crate::support::exporter::{Exporter, command};
use crate::support::http::Site;
use crate::support::samples::Samples;

async fn status(site: &Site, path: &str) -> u16 {
    site.get(path, &[]).await.status
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_gives_a_password() {
    let world = World::of_two().await;
    let nobody = world.exporter.site.clone();
    let f = async |site: &Site, want: [u16; 4]| {
        let paths = [
            "/federate",
            "/metrics",
            "/-/healthy",
            "/api/v1/status/config",
        ];
        for (path, want) in paths.into_iter().zip(want) {
            let answer = site.get(path, &[]).await;
            assert_eq!(answer.status, want, "{path}");
            let challenge = if want == 401 { CHALLENGE } else { "" };
            assert_eq!(answer.header("www-authenticate"), challenge, "{path}");
        }
    };
    f(&nobody, [401, 401, 200, 401]).await;
    f(&world.operator(), [200; 4]).await;
    f(&world.tenant("tenant-a"), [200, 403, 200, 403]).await;
    f(
        &nobody.clone().with_user("tenant-a", "tenant-b-password"),
        [401, 401, 200, 401],
    )
    .await;
    f(&nobody.with_user("nobody", OPERATOR), [401, 401, 200, 401]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_user_of_the_environment_is_an_operator() {
    let folder = tempfile::tempdir().unwrap();
    let jobs = "scrape_configs: []\n";
    let text = jobs.to_owned() + &sections(&[Tenant::of_organization("tenant-a")]);
    std::fs::write(folder.path().join("exporter.yml"), text).unwrap();
    let web = format!("basic_auth_users: {{web: {}}}\n", hash("web-password"));
    std::fs::write(folder.path().join("web.yml"), web).unwrap();
    for (flag, user, password) in [
        (None, "env", "env-password"),
        (Some("--web.config.file=web.yml"), "web", "web-password"),
    ] {
        let mut command = command();
        command
            .current_dir(&folder)
            .arg("--config.file=exporter.yml")
            .args(flag)
            .env("BASIC_AUTH_USERNAME", "env")
            .env("BASIC_AUTH_PASSWORD", "env-password");
        let exporter = Exporter::run(&mut command).await;
        let site = |user: &str, password: &str| exporter.site.clone().with_user(user, password);
        for (site, want) in [
            (site(user, password), 200),
            (site("admin", OPERATOR), 200),
            (site("tenant-a", "tenant-a-password"), 403),
            (exporter.site.clone(), 401),
        ] {
            assert_eq!(status(&site, "/metrics").await, want, "{flag:?} {site:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_adds_and_removes_tenants() {
    let world = World::of_two().await;
    let sections = |names: &[&'static str]| {
        let tenants: Vec<_> = names.iter().copied().map(Tenant::of_organization).collect();
        job(&world.aiven, "") + &sections(&tenants)
    };
    let f = async |want: [u16; 3]| {
        for (name, want) in ["tenant-a", "tenant-b", "tenant-c"].into_iter().zip(want) {
            let got = status(&world.tenant(name), "/federate").await;
            assert_eq!(got, want, "{name}");
        }
    };
    f([200, 200, 401]).await;
    assert_eq!(
        world.reload(&sections(&["tenant-a", "tenant-c"])).await.0,
        200
    );
    f([200, 401, 200]).await;

    // What is wrong changes nothing, and is told without a hash.
    let good = sections(&["tenant-b"]);
    for (wrong, why) in [
        (
            good.replace("org_name=", "org_name>"),
            "selector {org_name>",
        ),
        (
            good.replace("admin: $2b$04$", "admin: $2x$04$"),
            "user \"admin\": not a bcrypt hash",
        ),
        (
            good.replace("name: tenant-b", "name: tenant/b"),
            "is no name of a tenant",
        ),
        (
            good.replace("{tenant-b: ", "{admin: "),
            "belongs to tenant \"tenant-b\" and to the operators",
        ),
        (
            good.clone() + "cloud_foundry_login: {api: 'ftp://x'}\n",
            "not an address of cloud foundry",
        ),
    ] {
        assert_ne!(wrong, good);
        let (status, told) = world.reload(&wrong).await;
        assert_eq!(status, 500, "{told}");
        assert!(
            told.contains("exporter.yml:") && told.contains(why),
            "{told}"
        );
        assert!(!told.contains("$2"), "{told}");
        f([200, 401, 200]).await;
    }
    assert_eq!(world.reload(&good).await.0, 200);
    f([401, 200, 401]).await;

    // Taking the sections away lets nobody in who wasn't: it takes a restart.
    let answer = world.reload(&job(&world.aiven, "")).await;
    assert_eq!(answer.0, 200, "{}", answer.1);
    f([401, 401, 401]).await;
    assert_eq!(status(&world.exporter.site, "/federate").await, 401);
    assert_eq!(status(&world.exporter.site, "/-/healthy").await, 200);
    assert!(!world.exporter.program.log().contains("$2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_rotated_without_a_gap() {
    let world = World::of_two().await;
    let site = |password: &str| world.exporter.site.clone().with_user("tenant-a", password);
    let (old, new) = (site("tenant-a-password"), site("new-password"));
    let with = |hashes: &str| {
        let users = format!(
            "operators: {{basic_auth_users: {{admin: {}}}}}\n",
            hash(OPERATOR)
        );
        let tenant = format!(
            "tenants:\n- name: tenant-a\n  targets: ['{{org_name=\"tenant-a\"}}']\n  \
             basic_auth_users: {{tenant-a: {hashes}}}\n"
        );
        job(&world.aiven, "") + &users + &tenant
    };
    let f = async |want: [u16; 2]| {
        let got = [
            status(&old, "/federate").await,
            status(&new, "/federate").await,
        ];
        assert_eq!(got, want);
    };
    f([200, 401]).await;
    let (old_hash, new_hash) = (hash("tenant-a-password"), hash("new-password"));
    assert_eq!(
        world
            .reload(&with(&format!("[{old_hash}, '{new_hash}']")))
            .await
            .0,
        200
    );
    f([200, 200]).await;
    assert_eq!(world.reload(&with(&new_hash)).await.0, 200);
    f([401, 200]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_has_the_metrics_and_limits_it_is_given() {
    let mut some = Tenant::of_organization("tenant-a");
    some.more += "metrics: ['{__name__=~\"elasticsearch_cluster_health_.*\"}', up]\n";
    let mut few = Tenant::of_organization("tenant-b");
    few.more += "series_limit: 10\n";
    let world = World::start(super::two_services(), &[some, few]).await;
    world.exporter.up(&world.operator(), 4).await;
    let all = [("match[]", "{__name__=~\".+\"}")];
    let answer = world.tenant("tenant-a").get("/federate", &all).await;
    let names = Samples::parse(answer.text()).names();
    let is_given =
        |name: &&String| name.starts_with("elasticsearch_cluster_health_") || *name == "up";
    assert!(
        names.len() > 5 && names.iter().all(|name| is_given(&name)),
        "{names:?}"
    );

    let few = world.tenant("tenant-b");
    let answer = few.get("/federate", &all).await;
    assert_eq!(answer.status, 422, "{}", answer.text());
    assert!(answer.text().contains("10"), "{}", answer.text());
    let answer = few.get("/federate", &[("match[]", "up")]).await;
    assert_eq!(
        (answer.status, Samples::parse(answer.text()).len()),
        (200, 2)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_configuration_is_shown_without_hashes() {
    let world = World::of_two().await;
    let shown = world.operator().data("/api/v1/status/config", &[]).await;
    let shown = shown["yaml"].as_str().unwrap();
    let (_, shown) = shown.split_once("\ntenants:\n").unwrap();
    assert_eq!(
        shown,
        "- name: tenant-a\n  targets:\n  - '{org_name=\"tenant-a\"}'\n  concurrency_limit: 20\n  \
         basic_auth_users:\n    tenant-a: <secret>\n\
         - name: tenant-b\n  targets:\n  - '{org_name=\"tenant-b\"}'\n  concurrency_limit: 20\n  \
         basic_auth_users:\n    tenant-b: <secret>\n\
         operators:\n  basic_auth_users:\n    admin: <secret>\n"
    );
}

#[test]
fn check_config_warns_of_what_is_likely_not_meant() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("exporter.yml");
    let tenant = "tenants:\n- name: a\n  targets: ['{__meta_aiven_project=\"p\"}']\n";
    std::fs::write(&file, tenant).unwrap();
    let binary = env!("CARGO_BIN_EXE_elasticsearch-metric-exporter");
    let output = Command::new(binary)
        .arg("check-config")
        .arg(&file)
        .output()
        .unwrap();
    let (file, told) = (file.display(), String::from_utf8(output.stdout).unwrap());
    assert_eq!(
        told,
        format!(
            "warning: {file}:2:3: tenant \"a\" has no basic_auth_users, so nobody can ask as it\n\
             warning: {file}:3:13: selector {{__meta_aiven_project=\"p\"}}: label \"__meta_aiven_project\" is dropped \
             from targets once they are relabelled\n\
             {file}: valid\n"
        )
    );
    assert!(output.status.success());
}
