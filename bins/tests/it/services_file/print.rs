//! `services-file`

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use fixtures::cloud_foundry::{ApiCall, Fault, Instance, Role, Space};
use fixtures::{MockAiven, MockCloudFoundry};
use serde_json::{Value, json};

use crate::support::raw::exchange;

const USER: &str = "ann@org-a.test";
const PASSWORD: &str = "secret-of-ann";
/// Has no role anywhere.
const OUTSIDER: &str = "bob@nowhere.test";

/// Three instances in two organizations, and others that aren't the program's affair.
struct Mock {
    cloud_foundry: MockCloudFoundry,
    /// In the order of their guids.
    instances: Vec<Instance>,
}

impl Mock {
    async fn start() -> Self {
        let guid = |number: u8| format!("0c1b4d0e-93a8-4c3f-8f5b-00000000000{number}");
        let instances = vec![
            Instance::opensearch("one")
                .with_guid(guid(1))
                .space(("org-b", "live")),
            Instance::elasticsearch("two")
                .with_guid(guid(2))
                .space(("org-a", "dev"))
                .plan("small"),
            Instance::opensearch("three")
                .with_guid(guid(3))
                .space(("org-a", "live")),
        ];
        let mut builder = MockCloudFoundry::builder()
            .user(USER, PASSWORD)
            .user(OUTSIDER, PASSWORD)
            .role(USER, Role::space_auditor(("org-a", "dev")))
            .instance(Instance::managed("other", "redis", "tiny"))
            .instance(Instance::user_provided("own"))
            .page_limit(1);
        // The order of creation is another one.
        for instance in instances.iter().rev() {
            builder = builder.instance(instance.clone());
        }
        let cloud_foundry = builder.start().await.unwrap();
        Self {
            cloud_foundry,
            instances,
        }
    }

    /// Runs the program with `flags`, the variables `set`, and `stdin`.
    fn run(&self, flags: &[&str], set: &[(&str, &str)], stdin: &str) -> Output {
        let mut child = Command::new(env!("CARGO_BIN_EXE_services-file"))
            .env_clear()
            .arg(format!("--api={}", self.cloud_foundry.api_url()))
            .arg("--aiven-service-prefix=prod")
            .args(flags)
            .envs(set.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(stdin.as_bytes())
            .unwrap();
        child.wait_with_output().unwrap()
    }

    /// As the client that sees everything.
    fn client(&self) -> [(&str, &str); 2] {
        let cloud_foundry = &self.cloud_foundry;
        [
            ("CF_CLIENT_ID", cloud_foundry.client_id()),
            ("CF_CLIENT_SECRET", cloud_foundry.client_secret()),
        ]
    }

    /// The file that lists these of the instances.
    fn file(&self, instances: &[usize]) -> Value {
        let of = |at: &usize| {
            let instance = &self.instances[*at];
            let Space {
                organization, name, ..
            } = instance.home();
            json!({
                "aiven_service": format!("prod-{}", instance.guid()),
                "extra_labels": {
                    "org_guid": fixtures::cloud_foundry::organization_guid(organization),
                    "org_name": organization,
                    "service_guid": instance.guid(),
                    "service_name": instance.name(),
                    "service_plan_name": if *at == 1 { "small" } else { "medium-ha-7" },
                    "space_guid": instance.home().guid(),
                    "space_name": name,
                },
            })
        };
        instances.iter().map(of).collect()
    }
}

#[track_caller]
fn printed(output: &Output) -> Value {
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && log.is_empty(), "{log}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_are_listed_with_their_labels() {
    let mock = Mock::start().await;
    let f = |flags: &[&str], want: &[usize]| {
        let output = mock.run(flags, &mock.client(), "");
        assert_eq!(printed(&output), mock.file(want), "{flags:?}");
        assert_eq!(mock.run(flags, &mock.client(), "").stdout, output.stdout);
    };
    f(&[], &[0, 1, 2]);
    f(&["--org=org-a"], &[1, 2]);
    f(&["--org=org-a", "--org=org-b", "--space=live"], &[0, 2]);
    f(
        &[
            "--org",
            &fixtures::cloud_foundry::organization_guid("org-b"),
        ],
        &[0],
    );
    f(&["--space", &mock.instances[1].home().guid()], &[1]);
    f(&["--service-offering=elasticsearch"], &[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_decides_what_is_seen() {
    let mock = Mock::start().await;
    let user = [("CF_USERNAME", USER), ("CF_PASSWORD", PASSWORD)];
    assert_eq!(printed(&mock.run(&[], &user, "")), mock.file(&[1]));
    // As cf oauth-token prints it.
    let token = token(&mock.cloud_foundry).await;
    let set = [("CF_TOKEN", &*token)];
    assert_eq!(printed(&mock.run(&[], &set, "")), mock.file(&[0, 1, 2]));
    let output = mock.run(&["--token-file=-"], &user, &format!("{token}\n"));
    assert_eq!(printed(&output), mock.file(&[0, 1, 2]));
}

/// A token of the client that sees everything.
async fn token(cloud_foundry: &MockCloudFoundry) -> String {
    let form = format!(
        "grant_type=client_credentials&client_id={}&client_secret={}",
        cloud_foundry.client_id(),
        cloud_foundry.client_secret()
    );
    let url = cloud_foundry.uaa_url();
    let address = url.strip_prefix("http://").unwrap();
    let length = form.len();
    let request = format!(
        "POST /oauth/token HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {length}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\n\r\n{form}"
    );
    let answer = exchange(address, request.as_bytes()).await;
    let answer = String::from_utf8(answer).unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    let answer: Value = serde_json::from_str(body).unwrap();
    format!("bearer {}", answer["access_token"].as_str().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_replaced_as_a_whole_and_is_the_exporters() {
    let mock = Mock::start().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("services.json");
    let flag = format!("--output={}", path.display());
    std::fs::write(&path, "old").unwrap();
    // What fails leaves it as it was.
    mock.cloud_foundry
        .api()
        .fail_call(ApiCall::ServiceInstances, Fault::Status(403));
    let output = mock.run(&[&flag], &mock.client(), "");
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "old");
    mock.cloud_foundry.api().heal();
    let output = mock.run(&[&flag], &mock.client(), "");
    assert!(output.status.success() && output.stdout.is_empty());
    let file: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(file, mock.file(&[0, 1, 2]));

    // Both ways lead to the same targets.
    let mut builder = MockAiven::builder();
    for instance in &mock.instances {
        builder = builder.service(instance.to_service("prod").nodes(1));
    }
    let aiven = builder.start().await.unwrap();
    let entries = |file: Value| {
        let mut entries = file.as_array().unwrap().clone();
        entries.sort_by_key(|entry| entry["aiven_service"].to_string());
        entries
            .into_iter()
            .map(|mut entry| {
                entry["extra_labels"]
                    .as_object_mut()
                    .unwrap()
                    .remove("service_plan_name");
                entry
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(entries(file), entries(aiven.services_file()));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_sees_nothing_replaces_no_file() {
    let mock = Mock::start().await;
    let outsider = [("CF_USERNAME", OUTSIDER), ("CF_PASSWORD", PASSWORD)];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("services.json");
    let flag = format!("--output={}", path.display());
    std::fs::write(&path, "old").unwrap();
    for flags in [&[][..], &[&*flag], &[&flag, "--empty=refuse"]] {
        let output = mock.run(flags, &outsider, "");
        assert_eq!(
            String::from_utf8_lossy(&output.stderr),
            "services-file: no service instance of elasticsearch, opensearch can be seen; --empty=allow makes an \
             empty list of that\n"
        );
        assert_eq!((output.status.code(), &*output.stdout), (Some(2), &b""[..]));
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "old");
    let output = mock.run(&["--empty=allow"], &outsider, "");
    assert_eq!(printed(&output), json!([]));
    let output = mock.run(&[&flag, "--empty=allow"], &outsider, "");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "[]\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_told() {
    let mock = Mock::start().await;
    let client = mock.client();
    let f = |flags: &[&str], set: &[(&str, &str)], want: &str| {
        let output = mock.run(flags, set, "");
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(
            (output.status.code(), &*output.stdout),
            (Some(2), &b""[..]),
            "{told}"
        );
        assert!(told.contains(want), "{told}");
        assert!(!told.contains("secret"), "{told}");
    };
    f(&["--org=nobody"], &client, "nobody");
    f(
        &["--org=org-a", "--org=nobody"],
        &client,
        "no service instance is in the organization nobody",
    );
    f(
        &["--space=dev", "--space=nowhere"],
        &client,
        "no service instance is in the space nowhere",
    );
    f(
        &["--org=org-b", "--space=dev"],
        &client,
        "no service instance is in the space dev",
    );
    f(
        &["--space=live"],
        &client,
        "there is a space live in each of the organizations org-a, org-b",
    );
    f(
        &[],
        &[],
        "--token-file, CF_TOKEN, CF_CLIENT_ID or CF_USERNAME is missing",
    );
    f(&[], &client[..1], "CF_CLIENT_SECRET is not set");
    f(
        &[],
        &[client[0], client[1], ("CF_TOKEN", "secret")],
        "CF_TOKEN and CF_CLIENT_ID are both set, expected one of them",
    );
    f(
        &[],
        &[client[0], ("CF_CLIENT_SECRET", "secret-guess")],
        "services-file: ",
    );
    f(
        &["--token-file=/nowhere"],
        &client,
        "--token-file=/nowhere: No such file",
    );
    f(&["--api=x"], &client, "--api is no URL");
    f(
        &["--empty=yes"],
        &client,
        "--empty=yes: expected one of refuse, allow",
    );
    f(&["word"], &client, "unexpected argument \"word\"");
}
