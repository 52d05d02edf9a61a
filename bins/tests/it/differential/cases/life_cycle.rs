//! Series that come and go.

use serde_json::{Value, json};

use crate::differential::case::{Answer, Case, Delivery, openmetrics, script, text};

pub(crate) fn cases() -> Vec<Case> {
    let texts = |bodies: &[&str]| script(json!({}), bodies.iter().map(text));
    let mut cases: Vec<Case> = BODIES.iter().map(|bodies| texts(bodies)).collect();
    let failures: [(bool, Answer); 8] = [
        (false, text("a 9\n").status(500)),
        (false, text("").status(404)),
        (true, text("a 9\n").untyped()),
        (false, text("garbage garbage\n")),
        (false, text("a 9\n").delivered(Delivery::Cut)),
        (false, text("a 9\n").delivered(Delivery::Hanging)),
        (false, text("not gzip").header("content-encoding", "gzip")),
        (true, openmetrics("")),
    ];
    for (three, failure) in failures {
        let good = || text("a 1\nb{x=\"1\"} 2\n");
        let other = || text("a 2\nc 3\n");
        let all = [
            vec![good(), failure.clone(), good()],
            vec![failure.clone(), good(), failure.clone()],
            vec![good(), failure.clone(), failure.clone(), other(), good()],
            vec![good(), good(), failure, other()],
        ];
        for answers in all {
            let case = script(json!({}), answers);
            cases.push(if three { case.three() } else { case });
        }
    }
    cases.extend(
        MIDWAY
            .iter()
            .map(|bodies| texts(bodies).failing_midway().three()),
    );
    cases.extend(jobs());
    cases.extend(timestamps());
    cases
}

const BODIES: &[&[&str]] = &[
    &["a 1\n", "a 2\n"],
    &["a 1\nb 1\n", "b 2\n", "a 3\nb 3\n"],
    &["a 1\n", "", "a 2\n"],
    &["a 1\n", "\n", "a 2\n"],
    &["a 1\n", "# nothing\n", "a 2\n"],
    &["", "a 1\n", ""],
    &[
        "a{x=\"1\"} 1\n",
        "a{x=\"2\"} 1\n",
        "a{x=\"1\"} 1\na{x=\"2\"} 2\n",
    ],
    &["a 1\nb 2\nc 3\n", "c 1\nb 2\na 3\n", "b 1\nc 2\na 3\n"],
    &["a 1\nb 2\nc 3\n", "a 1\nc 3\nd 4\n", "d 1\nc 3\nb 2\na 1\n"],
    &["a 1\n", "a 1\na 2\n", "a 3\n"],
    &["a 1\na 2\n", "a 2\na 1\n", "a 1\n"],
    &[
        "a{x=\"1\",y=\"2\"} 1\n",
        "a{y=\"2\",x=\"1\"} 2\n",
        "a{x=\"1\",y=\"2\"} 3\n",
    ],
    &[
        "a{x=\"1\"} 1\n",
        "a{x=\"1\"} 1\na{x=\"1\",} 2\n",
        "a{x=\"1\",} 3\n",
        "",
    ],
    &["a{x=\"\"} 1\n", "a 2\n", "a{} 3\n"],
    &[
        "# TYPE a gauge\na 1\n",
        "# TYPE a counter\na 2\n",
        "a 3\n",
        "# HELP a x\na 4\n",
    ],
    &[
        "# TYPE h_bucket gauge\nh_bucket{le=\"0.5\"} 1\n",
        "# TYPE h histogram\nh_bucket{le=\"0.5\"} 1\n",
    ],
    &["a NaN\n", "a 1\n", "a NaN\n", "a +Inf\n"],
    &["up 5\n", "a 1\n", "up 7\n"],
    &[
        "scrape_series_added 5\n",
        "a 1\n",
        "scrape_series_added 7\n",
    ],
    &[
        "a 1\nb 2\n",
        "a 1\n\n\nb 2\n",
        "\na 1\nb 2",
        "a 1\n# x\nb 2\n",
    ],
    &[
        "a{x=\"1\"} 1\na{x=\"2\"} 2\na{x=\"3\"} 3\n",
        "a{x=\"3\"} 1\n",
        "a{x=\"2\"} 2\na{x=\"3\"} 3\n",
        "",
    ],
    &["a 0\n", "a -0\n", "a 0\n"],
    &["a 1\n", "b 1\n", "a 1\n", "b 1\n", "a 1\n"],
    &["a{job=\"x\"} 1\n", "a 1\n", "a{exported_job=\"x\"} 2\n"],
];

/// Bodies that are good up to some line.
const MIDWAY: &[&[&str]] = &[
    &["a 1\nb 1\n", "a 2\ngarbage garbage\nb 2\n", "a 3\nb 3\n"],
    &["a 1\nb 1\n", "a 2\ngarbage garbage\n", "c 3\n", "a 4\n"],
    &[
        "a 1\ngarbage garbage\n",
        "a 2\n",
        "a 3\ngarbage garbage\n",
        "b 4\n",
    ],
    &["a 1\nb 1\n", "b 2\na 2\nx{", "b 3\na 3\nx{", "b 4\n", ""],
    &["a 1\n", "a 2\nb 2\nb{x=\"1\",x=\"2\"} 2\n", "b 3\n"],
    &[
        "# TYPE a gauge\na 1\n",
        "# TYPE a counter\na 2\n# TYPE a nothing\n",
        "a 3\n",
    ],
];

/// Scripts under settings of the job.
fn jobs() -> Vec<Case> {
    let of = |job: Value, bodies: &[&str]| script(job, bodies.iter().map(text));
    let relabel =
        |rules: Value, bodies: &[&str]| of(json!({"metric_relabel_configs": rules}), bodies);
    let drop_x = || json!([{"action": "labeldrop", "regex": "x"}]);
    let keep_a = || json!([{"action": "keep", "source_labels": ["__name__"], "regex": "a"}]);
    let mut cases = vec![
        // Series that relabelling makes one.
        relabel(drop_x(), &["a{x=\"1\"} 1\n", "a{x=\"2\"} 2\n", ""]),
        relabel(
            drop_x(),
            &[
                "a{x=\"1\"} 1\na{x=\"2\"} 1\n",
                "a{x=\"2\"} 2\n",
                "a{x=\"1\"} 3\n",
                "",
            ],
        ),
        relabel(
            drop_x(),
            &[
                "a{x=\"1\"} 1\na{x=\"2\"} 2\n",
                "a{x=\"2\"} 1\na{x=\"1\"} 2\n",
                "a{x=\"1\"} 1\na{x=\"2\"} 2\n",
            ],
        ),
        relabel(
            drop_x(),
            &["a{x=\"1\"} 1\na{x=\"2\"} 2\n", "a{x=\"1\"} 1\n", "b 1\n"],
        ),
        relabel(keep_a(), &["a 1\nb 2\n", "b 2\n", "a 1\n"]),
        relabel(keep_a(), &["b 1\n", "b 1\nc 1\n", "a 1\n"]),
        of(
            json!({"honor_labels": true}),
            &[
                "a{instance=\"x\"} 1\n",
                "a 2\n",
                "a{instance=\"x\"} 3\na{instance=\"\"} 4\n",
            ],
        ),
        of(
            json!({"honor_labels": true}),
            &["up{instance=\"x\"} 1\n", "up 2\n", "a 1\n"],
        ),
    ];
    for limit in [2, 3] {
        let job = json!({"sample_limit": limit});
        cases.push(of(
            job.clone(),
            &["x 1\ny 2\n", "a 1\nb 2\nc 3\nd 4\n", "x 1\nz 2\n"],
        ));
        let bodies = ["a 1\nb 2\nc 3\n", "a 1\nb 2\n", "a 1\nb 2\nc 3\nd 4\n"];
        cases.push(of(job, &bodies).failing_midway());
        let job = json!({"label_limit": limit + 1});
        cases.push(of(job, &["a 1\n", "c{x=\"1\",y=\"2\"} 2\n", "a 1\n"]));
    }
    let job = json!({"body_size_limit": "8B"});
    cases.push(of(job, &["a 1\n", "a 1\nb 2\nc 3\n", "a 2\n"]));
    let gzip = |body: &str| text(body).delivered(Delivery::Gzipped);
    cases.push(script(
        json!({}),
        [gzip("a 1\nb 1\n"), text("a 2\n"), gzip("b 3\n")],
    ));
    let eof = |body: &str| openmetrics(format!("{body}# EOF\n"));
    let formats = [
        eof("a 1\n"),
        text("a 2\n"),
        eof("a 3\nb 3\n"),
        openmetrics("a 4\n"),
        eof("a 5\n"),
    ];
    cases.push(script(json!({}), formats).failing_midway());
    cases.push(script(
        json!({}),
        [
            eof("# TYPE a counter\na_total 1\na_created 5\n"),
            eof("# TYPE a counter\na_total 2 # {t=\"1\"} 1\n"),
            eof("# TYPE a counter\na_total 3\na_created 6\n"),
        ],
    ));
    cases
}

/// Explicit timestamps that vanish, return, stand still or go back.
fn timestamps() -> Vec<Case> {
    let scripts: &[&[&str]] = &[
        &["a 1 <<-9000>>\nb 1\n", "b 2\n", "a 3 <<-3000>>\nb 3\n"],
        &[
            "a 1 <<-9000>>\n",
            "a 2 <<-9000>>\n",
            "a 2 <<-8000>>\n",
            "a 3 <<-8500>>\n",
        ],
        &["a 1 <<-9000>>\n", "a 2\n", "a 3 <<-1000>>\n", "b 1\n"],
        &["a 1\n", "a 2 <<-1000>>\n", "a 3\n", ""],
        &["a 1 <<-9000>>\n", "a 2\n", "b 1\n", "a 3\n"],
        &["a 1 <<-9000>>\n", "", "a 2 <<-8000>>\n"],
        &[
            "a 1 <<-9000>>\na 2 <<-8000>>\n",
            "a 2 <<-8000>>\n",
            "a 3 <<-7000>>\na 4 <<-6000>>\n",
        ],
        &[
            "a 1 <<90000>>\n",
            "a 2 <<90000>>\n",
            "b 1\n",
            "b 2\n",
            "b 3\n",
        ],
        &[
            "a 1 <<120000>>\n",
            "a 2\n",
            "a 3\n",
            "a 4\n",
            "a 5\n",
            "a 6\n",
        ],
        &["a 1 <<1200000>>\n", "a 2\n", "a 3 <<1200000>>\n", ""],
        &["a NaN <<-9000>>\n", "a 1 <<-8000>>\n", "a NaN <<-7000>>\n"],
    ];
    let jobs = [
        json!({}),
        json!({"track_timestamps_staleness": true}),
        json!({"honor_timestamps": false}),
        json!({"honor_timestamps": false, "track_timestamps_staleness": true}),
        json!({"sample_limit": 1}),
    ];
    let two_series = [
        "a{x=\"1\"} 1 <<-9000>>\n",
        "a{x=\"1\"} 1\na{x=\"2\"} 1 <<-8000>>\n",
        "a{x=\"2\"} 1\n",
    ];
    let mut cases = vec![script(json!({}), two_series.map(text))];
    for job in jobs {
        for bodies in scripts {
            let case = script(job.clone(), bodies.iter().map(text));
            // 2 doesn't know the one, and counts samples beyond the other otherwise.
            let seen_otherwise_by_2 = ["track_timestamps_staleness", "sample_limit"];
            let is_new = seen_otherwise_by_2
                .iter()
                .any(|key| job.get(*key).is_some());
            cases.push(if is_new { case.three() } else { case });
        }
        let fails = [
            text("a 1 <<-9000>>\nb 1\n"),
            text("").status(500),
            text("a 2 <<-8000>>\nb 2\n"),
            text("garbage garbage\n"),
        ];
        cases.push(script(job, fails).three());
    }
    cases
}
