use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aiven_discovery::catalogue::{Catalogue, Listing, NamesFile, ServicesFile};
use aiven_discovery::discovery::Progress;
use aiven_discovery::metrics::Metrics;
use aiven_discovery::output::file_sd::TargetFile;
use aiven_discovery::output::{http_sd, sidecar};
use aiven_discovery::state::{LastKnown, LoadStateError, StateFile};
use prom_model::label::LabelSet;
use prom_model::target::TargetGroup;
use tempfile::tempdir;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::fakes::{BOTH, Fake, Running, addresses, service, unreachable};

const BOUND: Duration = Duration::from_secs(20);

async fn becomes(path: &Path, want: &str) {
    let reached = async {
        while std::fs::read_to_string(path).ok().as_deref() != Some(want) {
            sleep(Duration::from_millis(2)).await;
        }
    };
    let reached = timeout(BOUND, reached).await.is_ok();
    assert!(reached, "{:?} is not {want}", std::fs::read_to_string(path));
}

fn group(addresses: usize) -> Arc<Vec<TargetGroup>> {
    let targets = (0..addresses)
        .map(|at| {
            LabelSet::from_iter([(
                "__address__",
                format!("10.0.{}.{}:9273", at / 256, at % 256),
            )])
        })
        .collect();
    Arc::new(vec![TargetGroup {
        source: "p/s".into(),
        labels: LabelSet::from_iter([("aiven_service_name", "s")]),
        targets,
        access: None,
    }])
}

fn target_file(path: &Path, metrics: &Metrics) -> TargetFile {
    TargetFile::new(
        path,
        http_sd::render,
        Duration::from_millis(20),
        metrics.clone(),
    )
}

#[tokio::test]
async fn a_target_file_follows_discovery_and_is_not_touched_before() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("targets.json");
    std::fs::write(&path, "of before").unwrap();
    let groups = watch::Sender::new(Arc::default());
    let follow = tokio::spawn(target_file(&path, &Metrics::default()).follow(groups.subscribe()));
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "of before");
    groups.send_replace(group(2));
    let want = http_sd::render(&group(2));
    becomes(&path, &want).await;
    // Whoever removes or spoils it, it comes back.
    std::fs::write(&path, "spoiled").unwrap();
    becomes(&path, &want).await;
    groups.send_replace(Arc::default());
    becomes(&path, "[]").await;
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o600, 0o600);
    drop(groups);
    timeout(BOUND, follow).await.unwrap().unwrap();
    let names: Vec<_> = folder
        .path()
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, ["targets.json"]);
}

#[tokio::test]
async fn a_write_that_fails_leaves_the_file_and_is_repeated() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("sd/targets.json");
    let metrics = Metrics::default();
    let groups = watch::Sender::new(Arc::default());
    let follow = tokio::spawn(target_file(&path, &metrics).follow(groups.subscribe()));
    groups.send_replace(group(1));
    let failed = async {
        while crate::metrics::sidecar_value(&metrics, "discoverer_write_targets_errors_total") < 2 {
            sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(BOUND, failed).await.unwrap();
    std::fs::create_dir(folder.path().join("sd")).unwrap();
    becomes(&path, &http_sd::render(&group(1))).await;
    // A folder in the file's place can't be replaced; what is there stays.
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir_all(path.join("inside")).unwrap();
    groups.send_replace(group(2));
    let errors = crate::metrics::sidecar_value(&metrics, "discoverer_write_targets_errors_total");
    let failed = async {
        while crate::metrics::sidecar_value(&metrics, "discoverer_write_targets_errors_total")
            == errors
        {
            sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(BOUND, failed).await.unwrap();
    assert!(path.join("inside").is_dir());
    follow.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_never_sees_a_part_of_a_file() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("targets.json");
    // What a crash in the middle of an earlier write leaves.
    let leftover = folder.path().join(".targets.json.Xyz123.tmp");
    std::fs::write(&leftover, "[{\"targ").unwrap();
    let unrelated = folder.path().join(".targets.json.bak");
    std::fs::write(&unrelated, "[]").unwrap();
    let groups = watch::Sender::new(Arc::default());
    let follow = tokio::spawn(target_file(&path, &Metrics::default()).follow(groups.subscribe()));
    let versions = [group(1), group(3000)];
    let wanted = versions.clone().map(|groups| http_sd::render(&groups));
    groups.send_replace(versions[0].clone());
    becomes(&path, &wanted[0]).await;
    let stop = Arc::new(AtomicBool::new(false));
    let reader = {
        let (path, wanted, stop) = (path.clone(), wanted.clone(), Arc::clone(&stop));
        tokio::task::spawn_blocking(move || {
            let mut read = 0;
            while !stop.load(Ordering::Relaxed) {
                let content = std::fs::read_to_string(&path).unwrap();
                assert!(
                    wanted.contains(&content),
                    "a part of {} bytes",
                    content.len()
                );
                read += 1;
            }
            read
        })
    };
    for round in 1..40 {
        groups.send_replace(versions[round % 2].clone());
        becomes(&path, &wanted[round % 2]).await;
    }
    stop.store(true, Ordering::Relaxed);
    assert!(reader.await.unwrap() > 0);
    assert!(!leftover.exists() && unrelated.exists());
    follow.abort();
}

#[tokio::test]
async fn a_services_file_is_read_again_when_it_changed() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("services.json");
    let file = ServicesFile::new(&path);
    assert!(
        file.list()
            .await
            .unwrap_err()
            .to_string()
            .starts_with("can't read ")
    );
    std::fs::write(&path, r#"[{"aiven_service": "a"}]"#).unwrap();
    let first = file.list().await.unwrap();
    assert_eq!(first.extra_labels("a"), Some(LabelSet::new()));
    assert_eq!(first.extra_labels("b"), None);
    // Of the same length, and perhaps in the same tick of the clock.
    std::fs::write(&path, r#"[{"aiven_service": "b"}]"#).unwrap();
    assert_eq!(file.list().await.unwrap().extra_labels("a"), None);
    std::fs::write(&path, "[").unwrap();
    let error = file.list().await.unwrap_err().to_string();
    assert_eq!(
        error,
        format!("{}:1:1: entry 1: EOF while parsing a list", path.display())
    );
}

#[tokio::test]
async fn a_names_file_lists_without_labels() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("names");
    std::fs::write(&path, "b\na\n").unwrap();
    let want = BTreeMap::from(["a", "b"].map(|name| (name.to_owned(), LabelSet::new())));
    let got = NamesFile::new(&path).list().await.unwrap();
    assert_eq!(got, Listing::Services(Arc::new(want)));
}

fn last_known() -> LastKnown {
    let labels: LabelSet = [("org_name", "o")].into_iter().collect();
    LastKnown {
        project: "paas".to_owned(),
        ca_pem: Some("the ca".to_owned()),
        listing: Listing::Services(Arc::new(BTreeMap::from([("a".to_owned(), labels)]))),
        services: vec![service("a")],
        addresses: BTreeMap::from([(
            "a".to_owned(),
            addresses(&["10.0.0.1", "2001:db8::1"]).addresses,
        )]),
    }
}

#[test]
fn state_survives() {
    let folder = tempdir().unwrap();
    let file = StateFile::in_folder(folder.path(), "job/0");
    assert_eq!(file.path(), folder.path().join("aiven-job%2f0.json"));
    assert_eq!(file.load("paas").unwrap(), None);
    let mut known = last_known();
    for listing in [known.listing.clone(), Listing::WholeProject] {
        known.listing = listing;
        file.save(&known).unwrap();
        assert_eq!(file.load("paas").unwrap().as_ref(), Some(&known));
    }
}

#[test]
fn state_that_makes_no_sense_is_refused() {
    let folder = tempdir().unwrap();
    let file = StateFile::new(folder.path().join("state.json"));
    file.save(&last_known()).unwrap();
    let whole = std::fs::read(file.path()).unwrap();
    assert!(matches!(
        file.load("other"),
        Err(LoadStateError::OtherProject { .. })
    ));
    for length in [0, 1, whole.len() / 2, whole.len() - 1] {
        std::fs::write(file.path(), &whole[..length]).unwrap();
        assert!(
            matches!(file.load("paas"), Err(LoadStateError::Corrupt { .. })),
            "{length}"
        );
    }
    std::fs::write(file.path(), r#"{"version": 2, "other": "shape"}"#).unwrap();
    let error = file.load("paas").unwrap_err().to_string();
    assert_eq!(
        error,
        format!("{} has version 2, expected 1", file.path().display())
    );
}

#[tokio::test]
async fn a_restart_while_the_api_is_down_has_the_targets_of_before() {
    let folder = tempdir().unwrap();
    let file = StateFile::in_folder(folder.path(), "test");
    let start = |fake: &Fake| {
        let (discoverer, discovery) = fake.discoverer();
        Running::start((discoverer.with_state_file(file.clone()), discovery))
    };
    let fake = Fake::new();
    let first = start(&fake);
    first.targets_become(&BOTH).await;
    let before = first.discovery.groups().borrow().clone();
    let saved = async {
        while !matches!(file.load("paas"), Ok(Some(last)) if !last.addresses.is_empty()) {
            sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(BOUND, saved).await.unwrap();
    drop(first);
    let text = std::fs::read_to_string(file.path()).unwrap();
    assert!(text.contains("the ca") && !text.contains("first"), "{text}");

    fake.world().list = Err(unreachable);
    fake.world().credentials = Err(unreachable);
    fake.world().ca = Err(unreachable);
    fake.world().hosts.clear();
    let second = start(&fake);
    second.targets_become(&BOTH).await;
    second.progress_becomes(Progress::Restored).await;
    let restored = second.discovery.groups().borrow().clone();
    assert_eq!(restored[0].labels, before[0].labels);
    let access = restored[0].access.clone().unwrap();
    assert_eq!(access.basic_auth(), None);
    assert_eq!(access.server_identity().unwrap().ca_pem, "the ca");
    // Lookups go on without the API.
    drop(second);
    fake.resolve_to("a.host", addresses(&["10.0.0.3"]));
    let third = start(&fake);
    third.targets_become(&["10.0.0.3:9273"]).await;
    assert_eq!(*third.discovery.progress().borrow(), Progress::Restored);
}

#[tokio::test]
async fn a_corrupt_state_file_is_no_obstacle() {
    let folder = tempdir().unwrap();
    let file = StateFile::in_folder(folder.path(), "test");
    std::fs::File::create(file.path())
        .unwrap()
        .write_all(b"{\"version\": 1, ")
        .unwrap();
    // A start removes what a write that was killed has left; a look doesn't, which may come during a write.
    let name = file.path().file_name().unwrap().to_str().unwrap();
    let leftover = folder.path().join(format!(".{name}.Xyz123.tmp"));
    std::fs::write(&leftover, "{").unwrap();
    assert!(file.load("paas").is_err() && leftover.exists());
    let fake = Fake::new();
    let (discoverer, discovery) = fake.discoverer();
    let running = Running::start((discoverer.with_state_file(file.clone()), discovery));
    running.targets_become(&BOTH).await;
    let saved = async {
        while !matches!(file.load("paas"), Ok(Some(_))) {
            sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(BOUND, saved).await.unwrap();
    assert!(!leftover.exists());
}

#[test]
fn the_sidecars_own_file_tells_the_addresses_of_before() {
    let text = sidecar::render(&group(2));
    let want = BTreeMap::from([(
        "s".to_owned(),
        addresses(&["10.0.0.0", "10.0.0.1"]).addresses,
    )]);
    assert_eq!(sidecar::addresses(&text), want);
}
