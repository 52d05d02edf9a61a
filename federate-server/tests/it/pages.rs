use std::sync::Arc;

use federate_server::http::{AppState, BuildInfo};
use federate_server::tenant::Fleet;
use prom_model::target::{DiscoveryStatus, NodeStatus, PoolStatus, ServiceStatus, Standing};

use crate::support::{FixedPools, app, get, labels, pools, state};

/// Closes an attribute, an element, a comment and a script, and opens a script.
const HOSTILE: &str =
    r#"'"--></script></style></title><script>alert(1)</script><img src=x onerror=alert(1)>&amp;"#;

fn fleet(pools: Vec<PoolStatus>, discovery: DiscoveryStatus) -> Arc<Fleet> {
    let fleet = Fleet::new(Arc::new(FixedPools(pools)));
    Arc::new(fleet.with_discovery(Arc::new(move || vec![discovery.clone()])))
}

fn hostile() -> AppState {
    let mut pools = pools();
    let names = Arc::new(labels(&[
        (HOSTILE, HOSTILE),
        ("aiven_service_name", HOSTILE),
    ]));
    for pool in &mut pools {
        pool.job = HOSTILE.into();
        pool.failed = vec![HOSTILE.to_owned()];
        pool.dropped = vec![Arc::clone(&names)];
        pool.dropped_count = 5;
        for target in &mut pool.active {
            target.labels = Arc::clone(&names);
            target.discovered_labels = Arc::clone(&names);
            target.scrape_url = HOSTILE.into();
            target.last_error = HOSTILE.into();
        }
    }
    let build = BuildInfo {
        program: HOSTILE.to_owned(),
        version: HOSTILE.to_owned(),
        revision: HOSTILE.to_owned(),
        rust_version: HOSTILE.to_owned(),
        ..BuildInfo::default()
    };
    let discovery = DiscoveryStatus {
        name: HOSTILE.to_owned(),
        targets: 1,
        last_success_ms: None,
        last_error: HOSTILE.to_owned(),
        services: vec![ServiceStatus {
            name: HOSTILE.to_owned(),
            source: "".into(),
            state: HOSTILE.to_owned(),
            standing: Standing::Failing,
            targets: 0,
            nodes: vec![NodeStatus {
                name: HOSTILE.to_owned(),
                state: HOSTILE.to_owned(),
                standing: Standing::Unsettled,
            }],
            remarks: vec![HOSTILE.to_owned()],
        }],
    };
    AppState {
        fleet: fleet(pools, discovery),
        build: Arc::new(build),
        ..state()
    }
}

#[tokio::test]
async fn hostile_text_shows_as_text() {
    let app = app(hostile());
    for path in [
        "/",
        "/targets",
        "/targets?state=dropped",
        "/targets?state=%22%3E%3Cscript%3E",
    ] {
        let answer = get(&app, path).await;
        assert_eq!(answer.status, 200, "{path}");
        let body = answer.body.to_lowercase();
        for forbidden in [
            "<script",
            "<img",
            "alert(1)<",
            "x onerror=alert(1)>",
            "'\"--",
            "&amp;amp;amp;",
        ] {
            assert!(!body.contains(forbidden), "{path} has {forbidden}");
        }
        let shown = "&#39;&quot;--&gt;&lt;/script&gt;&lt;/style&gt;&lt;/title&gt;&lt;script&gt;";
        assert!(body.contains(shown), "{path}");
        // One of each element that the hostile text tries to close.
        for element in ["</title>", "</style>", "</main>"] {
            assert_eq!(body.matches(element).count(), 1, "{path} {element}");
        }
    }
}

#[tokio::test]
async fn pages_load_and_run_nothing() {
    let app = app(state());
    for path in ["/", "/targets"] {
        let answer = get(&app, path).await;
        let policy = answer.header("content-security-policy");
        assert!(
            policy.starts_with("default-src 'none'; style-src 'sha256-"),
            "{policy}"
        );
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
        for link in answer
            .body
            .split(['"', '\''])
            .filter(|text| text.contains("://"))
        {
            assert!(
                !answer.body.contains(&format!("src=\"{link}")),
                "{path} loads {link}"
            );
            assert!(
                !answer.body.contains(&format!("href=\"{link}")),
                "{path} links {link}"
            );
        }
        for forbidden in [" style=", "<script", "@import", "url(", "href=\"/", " src="] {
            assert!(!answer.body.contains(forbidden), "{path} has {forbidden}");
        }
    }
}

#[tokio::test]
async fn targets_are_shown_by_state() {
    let app = app(state());
    let f = async |query: &str, want: [bool; 4]| {
        let body = get(&app, &format!("/targets{query}")).await.body;
        let texts = [
            "<code class=\"url\">http://127.0.0.1:19391/metrics</code>",
            "<code class=\"url\">http://localhost:1/metrics</code>",
            "<code class=\"url\">https://10.0.0.1:9/metrics</code>",
            "3 dropped by relabelling",
        ];
        assert_eq!(texts.map(|text| body.contains(text)), want, "{query}");
        assert!(body.contains("This job has no target."), "{query}");
    };
    f("", [true, true, true, true]).await;
    f("?state=nonsense", [true, true, true, true]).await;
    f("?state=up", [true, false, false, false]).await;
    f("?state=down", [false, true, false, false]).await;
    f("?state=unknown", [false, false, true, false]).await;
    f("?state=dropped", [false, false, false, true]).await;
    let body = get(&app, "/targets").await.body;
    for text in [
        "986ms ago",
        "9ms</td>",
        "never",
        "connection refused",
        "<b>3</b>",
        "1/2 up",
    ] {
        assert!(body.contains(text), "{text}");
    }
}

fn service(name: &str, standing: Standing) -> ServiceStatus {
    let node = |number, state: &str, standing| NodeStatus {
        name: format!("{name}-{number}"),
        state: state.to_owned(),
        standing,
    };
    let nodes = match standing {
        Standing::Unsettled => vec![
            node(1, "running", Standing::Well),
            node(2, "running", Standing::Well),
            node(3, "syncing_data", Standing::Unsettled),
        ],
        _ => vec![node(1, "running", Standing::Well)],
    };
    ServiceStatus {
        name: name.to_owned(),
        source: "".into(),
        state: "RUNNING".to_owned(),
        standing,
        targets: nodes.len(),
        nodes,
        remarks: match standing {
            Standing::Failing => vec![
                "lookup fails: no addresses".to_owned(),
                "no targets".to_owned(),
            ],
            _ => Vec::new(),
        },
    }
}

/// The page over one discovery with these services.
async fn page_of(services: Vec<ServiceStatus>) -> String {
    let mut pools = pools();
    pools[0].active[0].labels = Arc::new(labels(&[("aiven_service_name", "moving")]));
    let discovery = DiscoveryStatus {
        name: "Aiven project paas".to_owned(),
        targets: 4,
        last_success_ms: Some(0),
        last_error: "aiven refuses the token (401): expired".to_owned(),
        services,
    };
    let app = app(AppState {
        fleet: fleet(pools, discovery),
        ..state()
    });
    get(&app, "/targets").await.body
}

/// `texts` are on the page, in this order.
fn in_order(page: &str, texts: &[&str]) {
    let mut rest = page;
    for text in texts {
        let Some((_, behind)) = rest.split_once(text) else {
            panic!("{text} is missing, or too early, on {page}");
        };
        rest = behind;
    }
}

#[tokio::test]
async fn services_that_are_not_well_come_first() {
    let page = page_of(vec![
        service("broken", Standing::Failing),
        service("fine", Standing::Well),
        service("moving", Standing::Unsettled),
        service("worse", Standing::Failing),
    ])
    .await;
    let texts = [
        "aiven refuses the token (401): expired",
        "<details class=\"services\" open><summary>Aiven project paas: <b>3</b> of 4 services not as they should be",
        "<span class=\"state down\">failing</span> <span class=\"label\">RUNNING</span></td><td \
         class=\"name\">broken</td>",
        "<span class=\"label\">1 running</span>",
        "lookup fails: no addresses</span>; <span class=\"error\">no targets",
        "<td class=\"name\">worse</td>",
        "<span class=\"state unknown\">RUNNING</span></td><td class=\"name\">moving</td>",
        "moving-3: <b>syncing_data</b></span> <span class=\"label\">2 running</span>",
        "<details class=\"services\"><summary>Aiven project paas: 1 service as it should be",
        "<span class=\"state up\">RUNNING</span></td><td class=\"name\">fine</td>",
        // Again beside the targets that it may explain.
        "<h3>moving</h3>\n<p class=\"why\"><span class=\"state unknown\">RUNNING</span>",
        "moving-3: <b>syncing_data</b>",
        "<table class=\"targets\">",
    ];
    in_order(&page, &texts);
}

#[tokio::test]
async fn services_that_are_well_are_folded_up_and_so_are_many_that_are_not() {
    let page = page_of(vec![
        service("a", Standing::Well),
        service("b", Standing::Well),
    ])
    .await;
    in_order(
        &page,
        &["<details class=\"services\"><summary>Aiven project paas: 2 services as they should be"],
    );
    assert_eq!(page.matches("class=\"services\"").count(), 1);
    let names = (0..100).map(|number| format!("s{number}"));
    let services = names.map(|name| service(&name, Standing::Failing));
    let page = page_of(services.collect()).await;
    in_order(
        &page,
        &["<details class=\"services\"><summary>Aiven project paas: <b>100</b> of 100"],
    );
    let page = page_of(Vec::new()).await;
    assert!(!page.contains("<details class=\"services\""));
}
