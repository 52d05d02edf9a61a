//! Paths that look like others.

use http::Method;

use super::world::{Asked, B, Others, User, World};

const PATHS: [&str; 32] = [
    "//federate?match[]=%7Bjob%3D~%22.%2B%22%7D",
    "/federate/?match[]=%7Bjob%3D~%22.%2B%22%7D",
    "/federate/../metrics",
    "/federate/..",
    "/federate/.",
    "/./federate",
    "/federate%2f",
    "/%66ederate",
    "/FEDERATE?match[]=%7Bjob%3D~%22.%2B%22%7D",
    "/federate;x=y",
    "/federate%00",
    "//metrics",
    "/metrics/",
    "/./metrics",
    "/%6detrics",
    "/METRICS",
    "/%2e/metrics",
    "/%2e%2e/metrics",
    "/targets/../metrics",
    "/targets%2f..%2fmetrics",
    "/metrics%3f",
    "/metrics%20",
    "/metrics#x",
    "//api/v1/status/config",
    "/api//v1/status/config",
    "/api/v1/status/config/",
    "/api/v1/status/buildinfo/../config",
    "/api/v1/status/%63onfig",
    "/api/v1/label/../status/config",
    "/api/v1/label/..%2fstatus%2fconfig/values",
    "/-/reload/",
    "/%2d/reload",
];

/// A path leads where it says or nowhere, and whom it asks for doesn't depend on how it is written.
#[tokio::test]
async fn no_way_of_writing_a_path_leads_around_the_scope() {
    let [with, without] = [Others::Present, Others::Absent].map(World::new);
    for path in PATHS {
        for method in [Method::GET, Method::HEAD, Method::POST, Method::OPTIONS] {
            let mut asked = Asked::get(path);
            asked.method = method;
            let nobody = with.ask(&asked).await;
            assert_eq!(nobody.status, 401, "{asked:?}");
            let asked = asked.by(User::A);
            let told = with.ask(&asked).await;
            assert!(!told.has(B), "{asked:?} {}", told.text());
            assert_eq!(told, without.ask(&asked).await, "{asked:?}");
            let status = told.status.as_u16();
            let known = path.starts_with("/api/v1/label/..%2f") || path == "/metrics#x";
            assert!(status == 404 || known, "{asked:?} {status}");
        }
    }
    let told = with.get(User::A, "http://elsewhere/metrics").await;
    assert_eq!(told.status, 403);
}
