//! The tables and the JSON file.

use std::fmt::Write as _;
use std::path::PathBuf;

use serde_json::{Map, Value, json};

use crate::federate::Selection;
use crate::measure::median;
use crate::options::{Options, Transport};
use crate::quantity::{Figures, Quantity, Target};
use crate::run::Run;
use crate::series::SeriesSet;
use crate::system::System;

/// All runs of one system.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) system: System,
    pub(crate) version: String,
    pub(crate) runs: Vec<Run>,
}

/// The exporter's part of what another system takes.
#[derive(Debug)]
struct Ratio {
    quantity: Quantity,
    peer: System,
    /// How many times the exporter's value the peer's is.
    times: f64,
    /// With whether it is met.
    target: Option<(Target, bool)>,
}

impl Measured {
    /// Medians over the runs.
    fn figures(&self) -> Figures {
        let of = |quantity: Quantity| {
            let values = self
                .runs
                .iter()
                .filter_map(|run| run.figures.get(&quantity));
            (quantity, median(values.copied().collect()))
        };
        Quantity::all().into_iter().map(of).collect()
    }

    /// What it served of `selection`, when that was compared.
    pub(crate) fn series(&self, selection: Selection) -> Option<&SeriesSet> {
        self.runs.first()?.series.get(&selection)
    }

    fn name(&self) -> String {
        format!("{} {}", self.system.name(), self.version)
            .trim_end()
            .to_owned()
    }
}

/// Where the JSON file goes: Cargo's target folder.
pub(crate) fn json_path() -> PathBuf {
    let temporary = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    temporary.with_file_name("peers.json")
}

/// The tables, in Markdown.
pub(crate) fn tables(options: &Options, measured: &[Measured]) -> String {
    let figures: Vec<Figures> = measured.iter().map(Measured::figures).collect();
    let mut text = String::new();
    let names: Vec<_> = measured.iter().map(Measured::name).collect();
    row(&mut text, "", &names);
    row(&mut text, "---", &vec!["---:".to_owned(); names.len()]);
    for quantity in Quantity::all() {
        let values = figures
            .iter()
            .map(|figures| quantity.show(figures[&quantity]));
        row(
            &mut text,
            &quantity.to_string(),
            &values.collect::<Vec<_>>(),
        );
    }
    text + &ratio_table(&ratios(options.transport, measured, &figures), measured)
}

/// The exporter's part of what each peer takes, a column a peer, and the targets.
fn ratio_table(ratios: &[Ratio], measured: &[Measured]) -> String {
    let mut text = String::new();
    if ratios.is_empty() {
        return text;
    }
    let peers: Vec<_> = measured
        .iter()
        .filter(|measured| measured.system != System::Exporter)
        .collect();
    let with_targets = ratios.iter().any(|ratio| ratio.target.is_some());
    text.push('\n');
    let mut heads: Vec<_> = peers
        .iter()
        .map(|peer| format!("part of {}", peer.name()))
        .collect();
    let mut lines = vec!["---:".to_owned(); heads.len()];
    if with_targets {
        heads.extend(["target", "met"].map(str::to_owned));
        lines.extend(["---:", "---"].map(str::to_owned));
    }
    row(&mut text, "exporter", &heads);
    row(&mut text, "---", &lines);
    for quantity in Quantity::all() {
        let of_quantity = ratios.iter().filter(|ratio| ratio.quantity == quantity);
        let of_quantity: Vec<_> = of_quantity.collect();
        let mut cells: Vec<_> = of_quantity.iter().map(|ratio| part(ratio.times)).collect();
        if with_targets {
            cells.extend(target_cells(
                of_quantity.iter().find_map(|ratio| ratio.target),
            ));
        }
        row(&mut text, &quantity.to_string(), &cells);
    }
    text
}

/// The part that one of `times` is.
fn part(times: f64) -> String {
    match times {
        times if !times.is_finite() => "–".to_owned(),
        times if times < 1.0 => format!("{:.2}", 1.0 / times),
        times => format!("1/{times:.1}"),
    }
}

/// A target, and whether it is met.
fn target_cells(target: Option<(Target, bool)>) -> [String; 2] {
    let Some((target, met)) = target else {
        return [String::new(), String::new()];
    };
    let target = match target {
        Target::Part(part) => format!("1/{part}"),
        Target::AtMost(bytes) => format!("{:.0} MB", bytes / 1e6),
    };
    [target, if met { "yes" } else { "no" }.to_owned()]
}

/// Everything, for programs.
pub(crate) fn json(options: &Options, measured: &[Measured], differences: &[String]) -> Value {
    let figures: Vec<Figures> = measured.iter().map(Measured::figures).collect();
    let systems = measured.iter().zip(&figures).map(|(measured, figures)| {
        let runs = measured.runs.iter().map(|run| {
            json!({
                "samples": run.samples,
                "node_series": run.node_series,
                "figures": object(&run.figures),
            })
        });
        json!({
            "name": measured.system.name(),
            "version": measured.version,
            "medians": object(figures),
            "runs": runs.collect::<Vec<_>>(),
        })
    });
    let ratios = ratios(options.transport, measured, &figures);
    let ratios = ratios.iter().map(|ratio| {
        let target = match ratio.target {
            Some((Target::Part(part), met)) => json!({"times": part, "met": met}),
            Some((Target::AtMost(value), met)) => json!({"at_most": value, "met": met}),
            None => Value::Null,
        };
        json!({
            "quantity": ratio.quantity.key(),
            "peer": ratio.peer.name(),
            "times": ratio.times,
            "target": target,
        })
    });
    json!({
        "services": options.services,
        "nodes": options.nodes(),
        "interval_seconds": options.interval.as_secs_f64(),
        "window_seconds": options.window.as_secs_f64(),
        "tls": options.transport == Transport::Tls,
        "cores": std::thread::available_parallelism().map_or(0, usize::from),
        "systems": systems.collect::<Vec<_>>(),
        "ratios": ratios.collect::<Vec<_>>(),
        "differences": differences,
    })
}

fn ratios(transport: Transport, measured: &[Measured], figures: &[Figures]) -> Vec<Ratio> {
    let of = |system| {
        measured
            .iter()
            .position(|measured| measured.system == system)
    };
    let Some(ours) = of(System::Exporter) else {
        return Vec::new();
    };
    let mut ratios = Vec::new();
    for (measured, theirs) in measured.iter().zip(figures) {
        if measured.system == System::Exporter {
            continue;
        }
        for quantity in Quantity::all() {
            let our = figures[ours][&quantity];
            let times = theirs[&quantity] / our;
            let target = quantity
                .target(transport)
                .filter(|_| measured.system == System::Prometheus);
            let target = target.map(|target| {
                let met = match target {
                    Target::Part(part) => times >= part,
                    Target::AtMost(value) => our <= value,
                };
                (target, met)
            });
            ratios.push(Ratio {
                quantity,
                peer: measured.system,
                times,
                target,
            });
        }
    }
    ratios
}

fn object(figures: &Figures) -> Value {
    let pairs = figures
        .iter()
        .map(|(quantity, value)| (quantity.key(), json!(value)));
    Value::Object(pairs.collect::<Map<_, _>>())
}

fn row(text: &mut String, first: &str, others: &[String]) {
    // Writing to a string can't fail.
    let _ = writeln!(text, "| {first} | {} |", others.join(" | "));
}
