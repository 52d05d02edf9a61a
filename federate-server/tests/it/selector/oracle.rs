//! The table, asked of a real Prometheus at `/federate` and in its HTTP API.

use super::assert_none;
use super::cases::{Answer, CASES, Since};
use crate::prometheus::{Method, Prometheus};

#[test]
#[ignore = "needs prometheus on PATH"]
fn prometheus_agrees_with_the_table() {
    let folder = tempfile::tempdir().unwrap();
    let prometheus = Prometheus::start(folder.path(), "{}");
    let holds = |since| since == Since::Always || prometheus.major() >= 3;
    let cases = CASES.iter().filter(|case| holds(case.since));
    assert_none(cases.filter_map(|case| {
        let form = [("match[]", case.text)];
        let (federate, body) = prometheus.ask(Method::Get, "/federate", &form);
        let (series, _) = prometheus.ask(Method::Post, "/api/v1/series", &form);
        let agrees = match case.want {
            Answer::Selects => (federate, series) == (200, 200),
            Answer::SelectsByAbsence => (federate, series) == (200, 400),
            Answer::Reworded(_) => (federate, series) == (400, 400),
            Answer::Refused(reason) => {
                (federate, series) == (400, 400) && body.trim_end() == reason
            }
        };
        (!agrees).then_some((case, federate, series, body))
    }));
}
