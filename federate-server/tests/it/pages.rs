use std::sync::Arc;

use federate_server::http::{AppState, BuildInfo, DiscoveryStatus};

use crate::support::{FixedPools, app, get, labels, pools, state};

/// Closes an attribute, an element, a comment and a script, and opens a script.
const HOSTILE: &str =
    r#"'"--></script></style></title><script>alert(1)</script><img src=x onerror=alert(1)>&amp;"#;

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
    };
    AppState {
        targets: Arc::new(FixedPools(pools)),
        build: Arc::new(build),
        discovery: Arc::new(move || vec![discovery.clone()]),
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
