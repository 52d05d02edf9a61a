//! Nothing of one tenant is ever sent to another, whatever is asked and however.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use federate_server::http::{Access, ROUTES};
use fixtures::node::{Fault, Node};
use fixtures::{MockAiven, Service};
use reqwest::Method;

use super::{CHEAP, OPERATOR, Tenant, World, job, sections};
use crate::support::eventually_ok;
use crate::support::exporter::Exporter;
use crate::support::http::Site;
use crate::support::raw::{exchange, readable};
use crate::support::samples::Samples;

/// In everything that is `tenant-a`'s alone.
const A: &str = "aaaa";
/// In everything that is `tenant-b`'s alone.
const B: &str = "bbbb";
/// In what belongs to both.
const SHARED: &str = "cccc";

/// Metric relabelling that would hand series over to whomever a node names.
const RELABELLING: &str = "honor_labels: true
metric_relabel_configs:
- {source_labels: [claimed_org], regex: (.+), target_label: org_name, replacement: $1}
- {source_labels: [claimed_instance], regex: (.+), target_label: instance, replacement: $1}
- {source_labels: [claimed_name], regex: (.+), target_label: __name__, replacement: $1}
";

/// What a node of the owner of `mark` exposes, which claims to be `other`'s at `instance`.
fn exposition(mark: &str, other: &str, instance: &str) -> String {
    let claims = format!(
        "org_name=\"{other}\",job=\"aiven\",instance=\"{instance}\",aiven_service_name=\"{other}\",space_name=\"dev\""
    );
    format!(
        "# HELP own_{mark} Help {mark}.\n# TYPE own_{mark} gauge\nown_{mark}{{own=\"{mark}\",label_{mark}=\"1\"}} 1\n\
         # HELP common Help of {mark}.\n# TYPE common gauge\ncommon{{own=\"{mark}\"}} 1\n\
         # TYPE claiming gauge\nclaiming{{own=\"{mark}\",{claims}}} 1\n\
         # TYPE renamed gauge\n\
         renamed{{own=\"{mark}\",claimed_org=\"{other}\",claimed_instance=\"{instance}\",claimed_name=\"common\"}} 1\n\
         # TYPE up gauge\nup{{own=\"{mark}\",{claims}}} 1\n"
    )
}

const TEXT: &str = "text/plain; version=0.0.4";

/// Both tenants with services whose nodes claim to be the other's, one of them down; one without the integration; and
/// one service of both.
struct Hostile {
    world: World,
    /// What only `tenant-b` may see.
    of_b: BTreeSet<String>,
}

impl Hostile {
    async fn start() -> Self {
        let service = |name: &str, organization: &str, mark: &str| {
            Service::opensearch(name)
                .nodes(2)
                .owner(organization, format!("space-{mark}"))
                .extra_label("service_name", format!("service-{mark}"))
        };
        let lacking = service("prod-bbbb-lacking", "tenant-b", B);
        let builder = MockAiven::builder()
            .service(service("prod-aaaa", "tenant-a", A))
            .service(service("prod-bbbb", "tenant-b", B))
            .service(lacking.without_integration())
            .service(service("prod-cccc", "everybody", SHARED));
        let aiven = builder.start().await.unwrap();
        let (a, b) = (aiven.nodes_of("prod-aaaa"), aiven.nodes_of("prod-bbbb"));
        let serve = |nodes: &[Node], mark, other, instance: &str| {
            for node in nodes {
                node.serve(exposition(mark, other, instance), TEXT);
            }
        };
        let of_a = a[0].address().to_string();
        serve(&a, A, "tenant-b", "somebody:1");
        serve(&b, B, "tenant-a", &of_a);
        serve(&aiven.nodes_of("prod-cccc"), SHARED, "tenant-a", &of_a);
        b[1].fail(Fault::Status(500));
        let mut of_b: BTreeSet<String> = [B.to_owned()].into();
        of_b.extend(b.iter().map(|node| node.address().to_string()));
        of_b.extend(b.iter().map(|node| node.address().ip().to_string()));

        let folder = tempfile::tempdir().unwrap();
        aiven.write_services_file(folder.path()).unwrap();
        let both = |name| Tenant {
            name,
            cost: CHEAP,
            more: format!("targets: ['{{org_name=\"{name}\"}}', '{{org_name=\"everybody\"}}']\n"),
        };
        let text = job(&aiven, RELABELLING) + &sections(&["tenant-a", "tenant-b"].map(both));
        let text = text.replace(
            "prometheus_endpoint_id",
            "integrate: false\n    prometheus_endpoint_id",
        );
        let exporter = Exporter::start(folder.path(), &text, &[]).await;
        let world = World {
            aiven,
            exporter,
            folder,
        };
        let site = world.operator();
        eventually_ok("every node's samples, or its error", async || {
            let answer = site
                .get(
                    "/federate",
                    &[
                        ("match[]", "own_aaaa"),
                        ("match[]", "own_bbbb"),
                        ("match[]", "own_cccc"),
                    ],
                )
                .await;
            let targets = site.get("/api/v1/targets", &[]).await;
            let series = Samples::parse(answer.text()).len();
            match series == 5 && targets.text().contains("500") {
                true => Ok(()),
                false => Err(format!("{series} series, {}", targets.text())),
            }
        })
        .await;
        Self { world, of_b }
    }

    /// What of `tenant-b` is in `bytes`.
    fn leaks(&self, bytes: &[u8]) -> Vec<&str> {
        let text = readable(bytes);
        // Addresses of the same network may be longer.
        let found = |leak: &&String| {
            text.match_indices(leak.as_str()).any(|(at, _)| {
                let next = text[at + leak.len()..].chars().next();
                leak.as_str() == B || !next.is_some_and(|next| next.is_ascii_digit())
            })
        };
        self.of_b.iter().filter(found).map(String::as_str).collect()
    }
}

/// Queries that try to select, list or count what is not one's own.
const QUERIES: &[&str] = &[
    "",
    "match[]={__name__=~\".%2B\"}",
    "match[]={__name__=~\".*\"}",
    "match[]={}",
    "match[]={job=\"aiven\"}",
    "match[]={org_name=\"tenant-b\"}",
    "match[]={org_name=~\"tenant-a|tenant-b\"}",
    "match[]={org_name!=\"tenant-a\"}",
    "match[]={org_name=\"tenant-a\"}&match[]={org_name=\"tenant-b\"}",
    "match[]={own!=\"\"}",
    "match[]={own=~\"(?:a|b){4}\"}",
    "match[]=common&match[]=claiming&match[]=renamed&match[]=up",
    "match[]={__name__=~\"own_.*\"}&timestamps=false",
    "match[]={instance=~\".*\",job=\"\"}",
    "match[]={&match[]={__name__=~\"(\"}",
    "match[]=up&match[]=no(",
    "match%5B%5D=%7Bjob%3D%22aiven%22%7D",
    "match[]=up&tenant=tenant-b&user=admin&org_name=tenant-b",
    "state=any",
    "state=dropped",
    "state=active&scrapePool=aiven",
    "match_target={job=\"aiven\"}",
    "match_target={org_name=\"tenant-b\"}&metric=common",
    "match_target={instance!=\"\"}&limit=1000",
    "metric=common",
    "metric=common&limit=1&limit_per_metric=10",
    "limit=1000&start=0&end=99999999999",
    "q=tenant-b&search=b&health=down",
];

const ACCEPTS: [&str; 3] = [
    "text/plain",
    "application/openmetrics-text;version=1.0.0,text/plain;q=0.1",
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited",
];

/// Values for a path's placeholder.
const SEGMENTS: [&str; 9] = [
    "own",
    "instance",
    "job",
    "org_name",
    "__name__",
    "service_name",
    "aiven_service_name",
    "__address__",
    "space_name",
];

/// Each path there is with each of its placeholder's values.
fn paths() -> Vec<(&'static str, String)> {
    let of = |path: &'static str| {
        let segments = SEGMENTS
            .iter()
            .map(|segment| path.replace("{name}", segment));
        let concrete: BTreeSet<String> = segments.collect();
        concrete.into_iter().map(move |concrete| (path, concrete))
    };
    ROUTES.iter().flat_map(|route| of(route.path)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_path_and_no_parameter_shows_what_is_somebody_elses() {
    let hostile = Hostile::start().await;
    let (operator, a, b) = (
        hostile.world.operator(),
        hostile.world.tenant("tenant-a"),
        hostile.world.tenant("tenant-b"),
    );
    let mut telling = BTreeSet::new();
    let mut shown_to_a = BTreeSet::new();
    for (route, path) in paths() {
        let mut told = false;
        for query in QUERIES {
            let target = format!("{path}?{query}");
            for (accept, encoding) in ACCEPTS
                .iter()
                .flat_map(|it| [(it, "gzip"), (it, "identity")])
            {
                let headers = [("Accept", *accept), ("Accept-Encoding", encoding)];
                let answer =
                    async |site: &Site| site.ask(Method::GET, &target, &[], &headers).await;
                told |= !hostile.leaks(&answer(&operator).await.body).is_empty();
                let answer = answer(&a).await;
                assert_eq!(hostile.leaks(&answer.body), [""; 0], "{target} {headers:?}");
                if readable(&answer.body).contains(A) {
                    shown_to_a.insert(route);
                }
                // The other formats are /federate's alone.
                if route != "/federate" && accept == &ACCEPTS[0] && encoding == "identity" {
                    break;
                }
            }
        }
        if told {
            telling.insert(route);
        }
    }
    // What a tenant may ask for shows the operator something of tenant-b, and tenant-a its own in its place, unless it
    // tells of nobody.
    let users = ROUTES.iter().filter(|route| route.access == Access::Users);
    let users: BTreeSet<_> = users.map(|route| route.path).collect();
    let of_nobody = ["/", "/api/v1/status/buildinfo"];
    for route in users.iter().filter(|route| !of_nobody.contains(route)) {
        assert!(
            telling.contains(route),
            "{route} tells the operator nothing"
        );
        assert!(shown_to_a.contains(route), "{route} tells tenant-a nothing");
    }
    // The other way round, and what belongs to both.
    for (site, own) in [(&a, A), (&b, B)] {
        let all = site
            .get("/federate", &[("match[]", "{__name__=~\".+\"}")])
            .await;
        let marks = [A, B, SHARED].map(|mark| all.text().contains(mark));
        assert_eq!(marks, [own == A, own == B, true], "{own}: {}", all.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn other_methods_show_nothing_either() {
    let hostile = Hostile::start().await;
    let a = hostile.world.tenant("tenant-a");
    let methods = [
        "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND", "get",
    ];
    for (route, path) in paths() {
        for method in methods {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let query = [
                ("match[]", "{__name__=~\".+\"}"),
                ("match_target", "{job=\"aiven\"}"),
            ];
            let form = [("Content-Type", "application/x-www-form-urlencoded")];
            let answer = a.ask(method.clone(), &path, &query, &form).await;
            assert_eq!(hostile.leaks(&answer.body), [""; 0], "{method} {path}");
            let headers = format!("{:?}", answer.headers);
            assert_eq!(
                hostile.leaks(headers.as_bytes()),
                [""; 0],
                "{method} {path}"
            );
            if method == Method::HEAD {
                assert_eq!(answer.body, b"", "{route}");
            }
        }
    }
}

/// A request line and headers, as tenant-a unless `headers` say otherwise.
fn request(line: &str, headers: &str) -> Vec<u8> {
    let credentials = BASE64_STANDARD.encode("tenant-a:tenant-a-password");
    format!(
        "{line}\r\nHost: x\r\nAuthorization: Basic {credentials}\r\n{headers}Connection: close\r\n\r\n"
    )
    .into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_paths_and_forged_headers_show_nothing() {
    let hostile = Hostile::start().await;
    let all = "match[]=%7B__name__%3D~%22.%2B%22%7D";
    let mut requests = Vec::new();
    for path in [
        "//federate",
        "/federate/",
        "/federate//",
        "/./federate",
        "/x/../federate",
        "/federate/..",
        "/federate/../federate",
        "/%66ederate",
        "/federate%2f",
        "/federate%00",
        "/%2e/federate",
        "/%2e%2e/federate",
        "/federate;tenant=tenant-b",
        "/federate%3f",
        "/FEDERATE",
        "/api/v1//targets",
        "/api/v1/./targets",
        "/api/v1/../v1/targets",
        "/api/v1/label/%6fwn/values",
        "/api/v1/label/own%2fvalues",
        "/api/v1/label//values",
        "/api/v1/label/../values",
        "/-/healthy/../../federate",
        "/-/healthy%2f..%2f..%2ffederate",
        "/-/healthy/..%2f..%2fmetrics",
        "/-/ready/federate",
        "/metrics/",
        "//metrics",
        "/%6detrics",
        "/targets#/federate",
        "\\federate",
        "/federate\t",
        "http://x/federate",
        "http://tenant-b:x@x/federate",
        "*",
        "",
        "x:80",
    ] {
        requests.push(request(&format!("GET {path}?{all} HTTP/1.1"), ""));
        requests.push(request(&format!("GET {path} HTTP/1.0"), ""));
    }
    let operator = BASE64_STANDARD.encode(format!("admin:{OPERATOR}-wrong"));
    let names = BASE64_STANDARD.encode("admin:tenant-a-password");
    for header in [
        "X-Forwarded-User: admin",
        "X-Forwarded-Prefix: /",
        "X-Remote-User: admin",
        "Remote-User: admin",
        "X-Scope-OrgID: tenant-b",
        "X-WEBAUTH-USER: admin",
        "X-Original-URL: /metrics",
        "X-Rewrite-URL: /metrics",
        "X-HTTP-Method-Override: POST",
        "X-Forwarded-For: 127.0.0.1",
        "X-Forwarded-Host: tenant-b",
        "Forwarded: for=127.0.0.1;by=admin",
        "Cookie: user=admin; tenant=tenant-b",
        "Proxy-Authorization: Basic YWRtaW46eA==",
        "Host: tenant-b",
        "Connection: Authorization",
        "Connection: close, Authorization",
        "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\nConnection: Upgrade, HTTP2-Settings",
        "Expect: 100-continue",
        "Transfer-Encoding: chunked",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Content-Length: 0\r\nContent-Length: 9",
        " folded: tenant-b",
        "X: a\rX-Forwarded-User: admin",
        "X\0: admin",
        "Range: bytes=0-10",
        "If-None-Match: *",
        "Accept: */*;q=0",
        "Accept-Encoding: br, deflate, gzip;q=0",
        "Origin: http://tenant-b",
    ] {
        requests.push(request(
            &format!("GET /federate?{all} HTTP/1.1"),
            &format!("{header}\r\n"),
        ));
        requests.push(request(
            "GET /api/v1/targets HTTP/1.1",
            &format!("{header}\r\n"),
        ));
    }
    // A second header, or a second request behind the first, in a body that one side takes for longer than the other.
    for second in [&operator, &names] {
        let line = format!("GET /federate?{all} HTTP/1.1");
        requests.push(request(
            &line,
            &format!("Authorization: Basic {second}\r\n"),
        ));
        let inner = format!("{line}\r\nHost: x\r\nAuthorization: Basic {second}\r\n\r\n");
        for framing in [
            format!("Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{inner}"),
            format!("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n{inner}"),
            format!("Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n{inner}"),
            format!("Content-Length: 0\r\n\r\n{inner}"),
        ] {
            let credentials = BASE64_STANDARD.encode("tenant-a:tenant-a-password");
            let head = "POST /api/v1/series HTTP/1.1\r\nHost: x\r\nAuthorization: Basic";
            requests.push(format!("{head} {credentials}\r\n{framing}").into_bytes());
        }
    }
    let mut statuses = BTreeSet::new();
    for request in &requests {
        let said = exchange(&hostile.world.exporter.address, request).await;
        let shown = String::from_utf8_lossy(request);
        assert_eq!(hostile.leaks(&said), [""; 0], "{shown}");
        statuses.extend(
            readable(&said)
                .lines()
                .next()
                .map(|line| line.get(9..12).unwrap_or_default().to_owned()),
        );
    }
    // Some were understood, and all kinds of others were not.
    for status in ["200", "400", "401", "404"] {
        assert!(statuses.contains(status), "{statuses:?}");
    }
    assert!(!statuses.contains("500"), "{statuses:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_users_are_nobody() {
    let hostile = Hostile::start().await;
    let own = async || {
        let site = hostile.world.tenant("tenant-a");
        let answer = site.get("/federate", &[("match[]", "own_aaaa")]).await;
        (answer.status, answer.text().contains(A))
    };
    assert_eq!(own().await, (200, true));
    let huge = "x".repeat(10 << 20);
    let mut texts: Vec<String> = [
        "tenant-b",
        "tenant-b:",
        ":tenant-b-password",
        ":",
        "",
        "tenant-a\0tenant-b:tenant-a-password",
        "tenant-a:tenant-a-password\0",
        "tenant-a:tenant-a-password ",
        " tenant-a:tenant-a-password",
        "TENANT-A:tenant-a-password",
        "tenant-a::tenant-a-password",
        "tenant-a\n:tenant-a-password",
        "t\u{e9}nant-b:x",
        "tenant-b\u{200b}:tenant-b-password",
        "tenant-b:tenant-a-password",
        "admin:admin",
        "{org_name=~\".*\"}:x",
        "tenant-a,tenant-b:tenant-a-password",
        "cf:tenant-b:x",
    ]
    .map(str::to_owned)
    .into();
    texts.push(format!("{huge}:x"));
    texts.push(format!("tenant-a:tenant-a-password{huge}"));
    for text in texts {
        let encoded = BASE64_STANDARD.encode(&text);
        let mut request =
            "GET /federate?match[]=%7B__name__%3D~%22.%2B%22%7D HTTP/1.1\r\nHost: x\r\n".to_owned();
        write!(
            request,
            "Connection: close\r\nAuthorization: Basic {encoded}\r\n\r\n"
        )
        .unwrap();
        let said = exchange(&hostile.world.exporter.address, request.as_bytes()).await;
        let said = String::from_utf8_lossy(&said);
        let shown: String = text.chars().take(60).collect();
        // Where it is too long to be read the connection may end in the middle of the answer.
        assert!(
            !said.contains("own_") && !said.starts_with("HTTP/1.1 200"),
            "{shown:?}: {said}"
        );
        assert!(
            text.len() > 4096 || said.starts_with("HTTP/1.1 4"),
            "{shown:?}: {said}"
        );
    }
    // It goes on to answer whom it should, a right password included that comes from where the wrong ones came.
    assert_eq!(own().await, (200, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_moves_is_its_new_owners_alone() {
    let hostile = Hostile::start().await;
    let world = &hostile.world;
    let count = async |tenant: &str| {
        let query = [("match[]", "own_bbbb")];
        let answer = world.tenant(tenant).get("/federate", &query).await;
        Samples::parse(answer.text()).len()
    };
    assert_eq!((count("tenant-a").await, count("tenant-b").await), (0, 1));
    let path = world.folder.path().join("services.json");
    let before = std::fs::read_to_string(&path).unwrap();
    let moved = before.replace("\"org_name\": \"tenant-b\"", "\"org_name\": \"tenant-a\"");
    assert_ne!(moved, before);
    std::fs::write(&path, moved).unwrap();
    eventually_ok("the move", async || {
        // At no time it is both's.
        let counts = (count("tenant-b").await, count("tenant-a").await);
        match counts {
            (0, 1) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_counted_is_ones_own() {
    // The same with and without tenant-b: every answer to tenant-a is the same.
    let of = async |with_b: bool| {
        let service = |name: &str, organization| {
            Service::opensearch(name)
                .nodes(2)
                .owner(organization, "dev")
        };
        let mut builder = MockAiven::builder().service(service("prod-aaaa", "tenant-a"));
        if with_b {
            builder = builder.service(service("prod-bbbb", "tenant-b"));
            builder =
                builder.service(service("prod-bbbb-lacking", "tenant-b").without_integration());
        }
        let tenants = ["tenant-a", "tenant-b"].map(Tenant::of_organization);
        let world = World::start(builder, &tenants).await;
        let nodes = world.aiven.nodes();
        for node in &nodes {
            node.serve(format!("one{{own=\"{}\"}} 1\n", node.service()), TEXT);
        }
        let operator = world.operator();
        eventually_ok("what the nodes expose now", async || {
            let query = [("match[]", r#"{__name__!~"scrape_.*"}"#)];
            let answer = operator.get("/federate", &query).await;
            let names = Samples::parse(answer.text()).names();
            match names == ["one", "up"].map(str::to_owned).into() {
                true => Ok(()),
                false => Err(format!("{names:?}")),
            }
        })
        .await;
        world.exporter.up(&operator, nodes.len()).await;
        let site = world.tenant("tenant-a");
        let mut answers = Vec::new();
        for (_, path) in paths() {
            if path.starts_with("/-/") {
                continue;
            }
            for query in [
                "match[]={__name__!~\"scrape_.*\",job!=\"\"}&timestamps=false",
                "state=any",
            ] {
                let answer = site.get(&format!("{path}?{query}"), &[]).await;
                let text = steady(answer.text(), &nodes);
                answers.push(format!("{path}?{query}: {} {text}", answer.status));
            }
        }
        answers
    };
    let (alone, beside) = (of(false).await, of(true).await);
    for (alone, beside) in alone.iter().zip(&beside) {
        let differ = alone.split(' ').zip(beside.split(' '));
        let differ: Vec<_> = differ.filter(|(alone, beside)| alone != beside).collect();
        assert_eq!(differ, [], "{alone}");
    }
    assert_eq!(alone.len(), beside.len());
}

/// `text` with names in the place of addresses, and without what time changes.
fn steady(text: &str, nodes: &[Node]) -> String {
    let mut text = text.to_owned();
    for (number, node) in nodes.iter().enumerate() {
        let number = format!("node-{number}");
        text = text.replace(&node.address().to_string(), &number);
        text = text.replace(&node.address().ip().to_string(), &number);
    }
    let is_duration = |word: &str| {
        let unit = word.trim_start_matches(|c: char| c.is_ascii_digit());
        unit.len() < word.len() && matches!(unit, "ms" | "s" | "µs" | "m" | "h")
    };
    let is_moving = |word: &&str| {
        word.contains(|c: char| c.is_ascii_digit()) && word.contains(['.', ':'])
            || is_duration(word)
    };
    let words = text.split([' ', '\n', '<', '>', ',', '"']);
    let words: Vec<_> = words.filter(|word| !is_moving(word)).collect();
    words.join(" ")
}

/// A node can't have another's samples stored as its own by sending the scrape elsewhere.
#[tokio::test]
async fn a_redirect_leads_to_nobody_elses_node() {
    let world = World::of_two().await;
    let [own, other] = ["prod-aaaa", "prod-bbbb"].map(|it| world.aiven.nodes_of(it).remove(0));
    own.fail(Fault::Redirect(format!("https://{}/led", other.address())));
    let site = world.tenant("tenant-a");
    eventually_ok("the redirect in the target's error", async || {
        let targets = site.get("/api/v1/targets", &[]).await;
        match targets.text().contains("redirect to another host or port") {
            true => Ok(()),
            false => Err(targets.text().to_owned()),
        }
    })
    .await;
    let led = other.scrapes().into_iter().filter(|it| it.target == "/led");
    assert_eq!(led.count(), 0);
}
