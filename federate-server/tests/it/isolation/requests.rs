//! Every path with every method and all kinds of parameters, by a tenant, in a world with another one and without.

use std::collections::HashSet;

use federate_server::http::{Access, Endpoint, ROUTES};
use http::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::world::{A, Asked, B, Others, User, World};

const METHODS: [&str; 9] = [
    "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW",
];

/// What selects everything, what selects B's, and what isn't a selector.
const SELECTORS: [&str; 28] = [
    r#"{__name__=~".+"}"#,
    r#"{__name__!=""}"#,
    r#"{__name__!="disk_free"}"#,
    r#"{org_name="tenant-bravo"}"#,
    r#"{org_name=~"tenant-alpha|tenant-bravo"}"#,
    r#"{org_name=~"tenant-alpha|.*"}"#,
    r#"{org_name=~"nothing|()"}"#,
    r#"{org_name=~"(?i:TENANT-.*)"}"#,
    r#"{org_name!="tenant-alpha"}"#,
    r#"{org_name!~"tenant-alpha"}"#,
    r#"{org_name!~"tenant-alpha|both",job=~".+"}"#,
    r#"{org_name="tenant-alpha",org_name="tenant-bravo"}"#,
    r#"{job=~".*"}"#,
    r#"{job="aiven"}"#,
    r#"{job!="aiven"}"#,
    r#"{job=""}"#,
    r#"{instance="10.2.0.1:9273"}"#,
    r#"{instance=~"10[.]2.*|10[.]3.*"}"#,
    r#"{instance="10.1.0.2:9273"}"#,
    r#"{honored="yes"}"#,
    r#"{bravo_label!=""}"#,
    r#"{region="eu"}"#,
    r#"{nothing=""}"#,
    "disk_free",
    "bravo_total",
    r#"{__name__=~"bravo.*|disk.*"}"#,
    r#"{"disk_free"}"#,
    "up",
];

const NO_SELECTORS: [&str; 9] = [
    "{}",
    r#"{a="1" or b="2"}"#,
    r#"up[5m]"#,
    r#"{__name__=~"("}"#,
    "rate(up[5m])",
    "{org_name=\"tenant-alpha\"} or {x=\"y\"}",
    "",
    "{",
    "\u{0}",
];

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

fn matches(name: &str) -> impl Iterator<Item = String> {
    let all = SELECTORS.iter().chain(&NO_SELECTORS);
    all.map(move |text| format!("{name}={}", encoded(text)))
}

fn match_everything() -> String {
    format!("match[]={}", encoded(SELECTORS[0]))
}

/// The path of a route and queries to ask it with. A new endpoint needs its own here.
fn queries(endpoint: Endpoint, path: &str) -> Vec<String> {
    let ask = |queries: Vec<String>| {
        let asked = queries.into_iter().map(|query| format!("{path}?{query}"));
        std::iter::once(path.to_owned()).chain(asked).collect()
    };
    let texts = |of: &[&str]| of.iter().map(|text| (*text).to_owned()).collect();
    match endpoint {
        Endpoint::Landing
        | Endpoint::Healthy
        | Endpoint::Ready
        | Endpoint::Metrics
        | Endpoint::Reload
        | Endpoint::BuildInfo
        | Endpoint::Config
        | Endpoint::Flags
        | Endpoint::RuntimeInfo
        | Endpoint::DiscoveredTargets => ask(texts(&["tenant=b&org_name=tenant-bravo", "%zz"])),
        Endpoint::TargetsPage => ask(texts(&[
            "state=all",
            "state=up",
            "state=down",
            "state=unknown",
            "state=dropped",
            "state=%22",
        ])),
        Endpoint::Federate => {
            let mut all: Vec<_> = matches("match[]").collect();
            all.extend(SELECTORS.map(|text| {
                format!(
                    "match[]={}&match[]={}&timestamps=false",
                    encoded(text),
                    encoded("disk_free")
                )
            }));
            all.push(
                SELECTORS
                    .map(|it| format!("match[]={}", encoded(it)))
                    .join("&"),
            );
            all.extend(texts(&["match[]=%zz", "timestamps=x", "match[]=up;x=y"]));
            ask(all)
        }
        Endpoint::Targets => {
            let pools = ["", "aiven", "job-of-bravo", "empty-bravo", "none"];
            let states = ["", "any", "active", "dropped", "none"];
            let pairs = pools
                .iter()
                .flat_map(|pool| states.map(|state| format!("scrapePool={pool}&state={state}")));
            ask(pairs.collect())
        }
        Endpoint::TargetsMetadata => {
            let mut all: Vec<_> = matches("match_target").collect();
            all.extend(texts(&[
                "metric=disk_free",
                "metric=bravo_total",
                "metric=jvm_heap_alpha",
                "limit=0",
                "limit=1",
                "limit=1000",
                "limit=x",
            ]));
            ask(all)
        }
        Endpoint::Metadata => ask(texts(&[
            "metric=disk_free",
            "metric=bravo_total",
            "metric=jvm_heap_alpha",
            "limit=1",
            "limit=3",
            "limit_per_metric=1",
            "limit=x",
        ])),
        Endpoint::Labels | Endpoint::Series => {
            let mut all: Vec<_> = matches("match[]").collect();
            let everything = match_everything();
            all.extend(
                [
                    "limit=1", "limit=0", "limit=-1", "start=0", "end=1", "start=x",
                ]
                .map(|parameter| format!("{everything}&{parameter}")),
            );
            ask(all)
        }
        Endpoint::LabelValues => {
            let names = [
                "__name__",
                "org_name",
                "job",
                "instance",
                "aiven_service_name",
                "bravo_label",
                "device",
                "U__org__name",
                "%6frg_name",
                "no%ff",
            ];
            let everything = match_everything();
            let of_names = names.iter().flat_map(|name| {
                let path = path.replace("{name}", name);
                [
                    path.clone(),
                    format!("{path}?{everything}&limit=1"),
                    format!("{path}?{everything}"),
                ]
            });
            let path = path.replace("{name}", "org_name");
            let of_matches = matches("match[]").map(|query| format!("{path}?{query}"));
            of_names.chain(of_matches).collect()
        }
    }
}

/// Ways to ask for the same.
fn forms() -> Vec<Vec<(&'static str, &'static str)>> {
    vec![
        vec![],
        vec![("accept-encoding", "gzip")],
        vec![("accept", "application/openmetrics-text;version=1.0.0")],
        vec![(
            "accept",
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited",
        )],
        vec![
            ("x-scope-orgid", "b"),
            ("x-forwarded-user", "operator"),
            ("x-remote-user", "operator"),
            ("x-http-method-override", "POST"),
            ("x-original-url", "/metrics"),
            ("x-rewrite-url", "/api/v1/status/config"),
            ("forwarded", "for=127.0.0.1;by=operator"),
            ("cookie", "user=operator"),
            ("host", "bravo"),
        ],
    ]
}

fn requests() -> Vec<Asked> {
    let mut all = Vec::new();
    for route in ROUTES {
        for path in queries(route.endpoint, route.path) {
            for method in METHODS {
                let method = Method::from_bytes(method.as_bytes()).unwrap();
                for form in forms() {
                    let mut asked = Asked::get(&path);
                    asked.method = method.clone();
                    for (name, value) in form {
                        asked = asked.with(name, value);
                    }
                    all.push(asked);
                }
            }
        }
    }
    all
}

/// Bodies that ask for other things than the URL does.
fn bodies() -> Vec<Asked> {
    let everything = match_everything();
    let of_b = format!("match[]={}", encoded(SELECTORS[3]));
    let mut all = Vec::new();
    for route in ROUTES {
        let path = route.path.replace("{name}", "org_name");
        for method in [Method::POST, Method::GET, Method::PUT] {
            for content_type in [
                "application/x-www-form-urlencoded",
                "application/json",
                "multipart/form-data; boundary=x",
            ] {
                for body in [&everything, &of_b] {
                    for query in ["", "?match[]=disk_free", "?match[]=%7Bx%3D"] {
                        let mut asked = Asked::get(&format!("{path}{query}"));
                        asked.method = method.clone();
                        asked.body.clone_from(body);
                        all.push(asked.with("content-type", content_type));
                    }
                }
            }
        }
    }
    all
}

#[tokio::test]
async fn a_tenant_is_told_the_same_whether_or_not_there_are_others() {
    let [with, without] = [Others::Present, Others::Absent].map(World::new);
    let mut telling = HashSet::new();
    let mut differing = HashSet::new();
    for asked in requests().iter().chain(&bodies()) {
        for user in [User::A, User::ASome] {
            let asked = asked.clone().by(user);
            let told = with.ask(&asked).await;
            assert!(!told.has(B), "{user:?} {asked:?}\n{told:?} {}", told.text());
            let expected = without.ask(&asked).await;
            assert_eq!(told, expected, "{asked:?}\n{}", told.text());
            if told.has(A) {
                telling.insert((asked.path.clone(), user.name()));
            }
        }
        let asked = asked.clone().by(User::Operator);
        let path = asked.path.split('?').next().unwrap_or_default().to_owned();
        if asked.method == Method::GET && with.ask(&asked).await != without.ask(&asked).await {
            differing.insert(path);
        }
    }
    // It would all be true of empty answers, and of worlds that are the same.
    let paths = |of: &HashSet<(String, &str)>, user: User| {
        let of_user = of.iter().filter(|(_, name)| *name == user.name());
        let paths = of_user.map(|(path, _)| path.split('?').next().unwrap_or_default().to_owned());
        paths.collect::<HashSet<_>>()
    };
    for path in [
        "/targets",
        "/federate",
        "/sd/targets",
        "/api/v1/targets",
        "/api/v1/targets/metadata",
        "/api/v1/metadata",
        "/api/v1/label/org_name/values",
        "/api/v1/series",
    ] {
        for user in [User::A, User::ASome] {
            assert!(paths(&telling, user).contains(path), "{user:?} {path}");
        }
        assert!(differing.contains(path), "{path}");
    }
}

#[tokio::test]
async fn what_tells_of_everybody_is_for_operators() {
    let world = World::new(Others::Present);
    for route in ROUTES {
        let path = route.path.replace("{name}", "org_name");
        for method in METHODS {
            let mut asked = Asked::get(&path);
            asked.method = Method::from_bytes(method.as_bytes()).unwrap();
            let told = world.ask(&asked.clone().by(User::A)).await;
            let operator = world.ask(&asked.clone().by(User::Operator)).await;
            let is_refused = told.status == 403;
            assert_eq!(is_refused, route.access == Access::Operators, "{asked:?}");
            assert_ne!(operator.status, 403, "{asked:?}");
            let nobody = world.ask(&asked).await;
            assert_eq!(
                nobody.status == 401,
                route.access != Access::Open,
                "{asked:?}"
            );
            assert!(!nobody.has(A) && !nobody.has(B), "{asked:?}");
        }
    }
}
