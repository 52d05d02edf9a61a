//! The cases, in tables of what they are about.

mod content_type;
mod exposition;
mod labels;
mod life_cycle;
mod limits;
mod metric_relabel;
mod openmetrics;
mod target;

use super::case::Case;

type Tables = Vec<(&'static str, Vec<Case>)>;

/// Those in which every scrape is answered alike.
pub(crate) fn single() -> Tables {
    vec![
        ("text", exposition::cases()),
        ("openmetrics", openmetrics::cases()),
        ("content_type", content_type::cases()),
        ("metric_relabel", metric_relabel::cases()),
        ("labels", labels::cases()),
        ("limits", limits::cases()),
        ("target", target::cases()),
    ]
}

/// Those in which the answers change.
pub(crate) fn scripts() -> Tables {
    vec![("life_cycle", life_cycle::cases())]
}
