//! What a tenant is told, to the letter.

use super::world::{B, Others, User, World};
use crate::support::NOW_MS;

const EVERYTHING: &str = "/federate?match[]=%7B__name__%3D~%22.%2B%22%7D";

/// What A is told, see [`text`].
const ALL: [&str; 13] = [
    "alpha_honored",
    r#"alpha_honored{aiven_service_name="prod-tenant-alpha",honored="yes",instance="10.1.0.1:9273",job="aiven",org_name="tenant-alpha",region="eu"} 5 500"#,
    "alpha_imitates",
    r#"alpha_imitates{aiven_service_name="prod-tenant-alpha",instance="10.1.0.1:9273",job="other",org_name="tenant-x",region="eu"} 4 500"#,
    "disk_free",
    r#"disk_free{aiven_service_name="prod-both",instance="10.4.0.1:9273",job="aiven",org_name="both",shared="yes",region="eu"} 6 400"#,
    r#"disk_free{aiven_service_name="prod-tenant-alpha",device="alpha1",instance="10.1.0.1:9273",job="aiven",org_name="tenant-alpha",region="eu"} 2 500"#,
    r#"disk_free{aiven_service_name="prod-tenant-alpha",device="moved-alpha",instance="10.1.0.2:9273",job="aiven",org_name="tenant-alpha",region="eu"} 8 60000"#,
    r#"disk_free{aiven_service_name="prod-tenant-alpha",instance="10.1.0.1:9273",job="aiven",org_name="tenant-alpha",region="eu"} 1 500"#,
    "jvm_heap_alpha",
    r#"jvm_heap_alpha{aiven_service_name="prod-tenant-alpha",instance="10.1.0.1:9273",job="aiven",org_name="tenant-alpha",region="eu"} 3 500"#,
    "up",
    r#"up{aiven_service_name="prod-tenant-alpha",instance="10.1.0.1:9273",job="aiven",org_name="tenant-alpha",region="eu"} 1 500"#,
];

/// The exposition of `lines`: a family's name has its header, and times are so many milliseconds ago.
fn text(lines: &[&str]) -> String {
    let line = |line: &&str| match line.rsplit_once(' ') {
        Some((series, ago)) => format!("{series} {}\n", NOW_MS - ago.parse::<i64>().unwrap()),
        None => format!("# HELP {line} Help of alpha.\n# TYPE {line} gauge\n"),
    };
    lines.iter().map(line).collect()
}

#[tokio::test]
async fn series_are_those_of_own_targets_as_they_told_them() {
    let world = World::new(Others::Present);
    let told = world.get(User::A, EVERYTHING).await;
    assert_eq!(told.text(), text(&ALL));
    let told = world.get(User::ASome, EVERYTHING).await;
    assert_eq!(told.text(), text(&ALL[..2]) + &text(&ALL[4..9]));
    let metadata = world.get(User::ASome, "/api/v1/metadata").await.text();
    let want = concat!(
        r#"{"status":"success","data":{"alpha_honored":[{"type":"gauge","unit":"","help":"Help of alpha."}],"#,
        r#""disk_free":[{"type":"gauge","unit":"","help":"Help of alpha."}]}}"#
    );
    assert_eq!(metadata, want);
}

#[tokio::test]
async fn discovered_targets_are_those_that_own_ones_came_of() {
    let world = World::new(Others::Present);
    let told = world.get(User::A, "/sd/targets").await;
    let entry = |org: &str, address: &str| {
        format!(
            "{{\"labels\":{{\"__meta_aiven_service_name\":\"prod-{org}\",\"aiven_service_name\":\"prod-{org}\",\
             \"org_name\":\"{org}\"}},\"targets\":[\"{address}\"]}}"
        )
    };
    let own = entry("tenant-alpha", "10.1.0.1:9273");
    let both = entry("both", "10.4.0.1:9273");
    assert_eq!(told.text(), format!("[{own},{both}]"));
    let operator = world.get(User::Operator, "/sd/targets").await.text();
    assert!(operator.contains("file-of-bravo") || operator.contains("\"note\":\"bravo\""));
    assert_eq!(operator.matches("10.1.0.1:9273").count(), 6);
}

#[tokio::test]
async fn targets_are_own_ones_without_what_is_told_of_all() {
    let world = World::new(Others::Present);
    let told = world.get(User::A, "/api/v1/targets").await.text();
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    let active = told["data"]["activeTargets"].as_array().unwrap();
    let names: Vec<_> = active.iter().map(|it| &it["labels"]["org_name"]).collect();
    assert_eq!(names, ["tenant-alpha", "both"]);
    assert_eq!(told["data"]["droppedTargets"], serde_json::json!([]));
    assert_eq!(told["data"]["droppedTargetCounts"], serde_json::json!({}));
    let [foreign, none] =
        ["job-of-bravo", "none"].map(|pool| format!("/api/v1/targets?scrapePool={pool}"));
    assert_eq!(
        world.get(User::A, &foreign).await,
        world.get(User::A, &none).await
    );
}

#[tokio::test]
async fn pages_have_own_services_counts_and_links() {
    let world = World::new(Others::Present);
    let page = world.get(User::A, "/targets").await.text();
    for text in [
        "2 of 2 services not as they should be",
        "RUNNING tenant-alpha",
        "RUNNING both",
        "<td>1</td>",
        "<b>2</b>",
        "2/2 up",
    ] {
        let text = text.replace("2 of", "<b>2</b> of");
        assert!(page.contains(&text), "{text} is missing on {page}");
    }
    for text in ["Dropped", "Last success", "paas", "href=\"metrics\"", B] {
        assert!(!page.contains(text), "{text} is on {page}");
    }
    let landing = world.get(User::A, "/").await.text();
    assert!(landing.contains("2 of <a href=\"targets\">2 targets</a> up"));
    for link in [
        "href=\"metrics\"",
        "status/config",
        "status/flags",
        "status/runtimeinfo",
    ] {
        assert!(!landing.contains(link), "{link} is on {landing}");
    }
    for link in landing.split("href=\"").skip(1) {
        let link = link.split('"').next().unwrap();
        let told = world
            .get(User::A, &format!("/{}", link.trim_start_matches("./")))
            .await;
        assert_eq!(told.status, 200, "{link}");
    }
    let operator = world.get(User::Operator, "/").await.text();
    assert!(operator.contains("href=\"metrics\"") && operator.contains("status/config"));
}
