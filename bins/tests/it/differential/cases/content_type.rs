//! Which format an answer is read in, and which one is asked for.

use serde_json::json;

use crate::differential::case::{Case, Delivery, asked, case, openmetrics, text, typed};
use crate::differential::scripted_server::FORMATS;

const TEXT: &str = "# TYPE a counter\na 1\n";
const OPENMETRICS: &str = "# TYPE a counter\na_total 1 # {t=\"u\"} 1\n# EOF\n";

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let names = [
        "text/plain",
        "text/plain;",
        "text/plain; ",
        "text/plain;;",
        "TEXT/PLAIN",
        " text/plain",
        "text/plain; version=0.0.4",
        "text/plain; version=1.0.0; escaping=allow-utf-8",
        "text/plain; version=9",
        "text/plain; charset=latin1",
        "text/plain; version=\"0.0.4\"",
        "text/plain; version='0.0.4'",
        "text/plain; version",
        "text/plain; version=",
        "text/plain; =1",
        "text/plain; a=1; a=2",
        "text/plain; a=1; a=1",
        "text/plain; a=\"x",
        "text/plain; a=\"x\\\"y\"",
        "text/plain, charset=utf-8",
        "text/plain; version=0.0.4, charset=utf-8",
        "text/plain; charset=utf-8, text/plain",
        "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
        "text/plain; charset*=utf-8''x",
        "text/plain version=0.0.4",
        "text/plain/x",
        "text/",
        "/plain",
        "text",
        "/",
        ";",
        "; version=0.0.4",
        "*/*",
        "text/*",
        "text/html",
        "text/html; charset=utf-8",
        "text/xml",
        "text/plain2",
        "application/json",
        "application/octet-stream",
        "application/openmetrics-text",
        "application/openmetrics-text; version=0.0.1",
        "application/openmetrics-text; version=1.0.0; charset=utf-8",
        "Application/OpenMetrics-Text",
        "application/openmetrics-text, x",
        "application/openmetrics",
        "text/openmetrics",
    ];
    for name in names {
        cases.push(case(json!({}), typed(name, TEXT)).three());
        cases.push(case(json!({}), typed(name, OPENMETRICS)).three());
    }
    let fallbacks = [
        "PrometheusText0.0.4",
        "PrometheusText1.0.0",
        "OpenMetricsText0.0.1",
        "OpenMetricsText1.0.0",
    ];
    for fallback in fallbacks {
        let job = || json!({"fallback_scrape_protocol": fallback});
        let asking = json!({"metrics_path": FORMATS, "fallback_scrape_protocol": fallback});
        cases.push(asked(asking).three());
        for body in [TEXT, OPENMETRICS] {
            cases.push(case(job(), text(body).untyped()).three());
            for name in [
                "",
                "text/html",
                "x y",
                "text/plain, x",
                "text/plain",
                "application/openmetrics-text",
            ] {
                cases.push(case(job(), typed(name, body)).three());
            }
        }
    }
    for body in [TEXT, OPENMETRICS, "", "\n"] {
        cases.push(case(json!({}), text(body).untyped()).three());
        cases.push(case(json!({}), typed("", body)).three());
        cases.push(case(json!({}), typed("text/html", body)).three());
    }
    let protocols = [
        json!(["PrometheusText0.0.4"]),
        json!(["PrometheusText1.0.0"]),
        json!(["OpenMetricsText1.0.0", "PrometheusText0.0.4"]),
        json!(["OpenMetricsText0.0.1"]),
        json!([
            "PrometheusText0.0.4",
            "OpenMetricsText1.0.0",
            "OpenMetricsText0.0.1",
            "PrometheusText1.0.0"
        ]),
    ];
    for protocols in protocols {
        cases.push(asked(json!({"metrics_path": FORMATS, "scrape_protocols": protocols})).three());
        cases.push(case(json!({"scrape_protocols": protocols}), text(TEXT)).three());
        cases.push(
            case(
                json!({"scrape_protocols": protocols}),
                openmetrics(OPENMETRICS),
            )
            .three(),
        );
    }
    cases.push(asked(json!({"metrics_path": FORMATS})).three());
    cases.push(asked(json!({"metrics_path": FORMATS, "enable_compression": false})).three());
    for answer in [text(TEXT), openmetrics(OPENMETRICS), text("")] {
        cases.push(case(json!({}), answer.clone().delivered(Delivery::Gzipped)));
        let plain = json!({"enable_compression": false});
        cases.push(case(plain, answer.clone().delivered(Delivery::Gzipped)).three());
        cases.push(case(json!({}), answer.clone().delivered(Delivery::Cut)));
        cases.push(case(
            json!({}),
            answer.clone().header("content-encoding", "gzip"),
        ));
        for encoding in ["identity", "deflate", "GZIP", "x-gzip", "br"] {
            cases.push(case(
                json!({}),
                answer.clone().header("content-encoding", encoding),
            ));
        }
    }
    for status in [
        201, 202, 204, 206, 304, 400, 401, 403, 404, 418, 429, 500, 503, 599,
    ] {
        cases.push(case(json!({}), text(TEXT).status(status)));
    }
    for status in [301, 302, 303, 307, 308] {
        let moved = text(TEXT).status(status);
        cases.push(case(json!({}), moved.clone()));
        cases.push(case(
            json!({}),
            moved.clone().header("location", "/elsewhere?x=y"),
        ));
        cases.push(case(
            json!({}),
            moved.clone().header("location", "elsewhere"),
        ));
        cases.push(case(json!({}), moved.clone().header("location", "")));
        cases.push(case(
            json!({}),
            moved.clone().header("location", "gopher://x/"),
        ));
        let stay = json!({"follow_redirects": false});
        cases.push(case(stay, moved.header("location", "/elsewhere")));
    }
    cases
}
