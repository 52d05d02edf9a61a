//! What scraping and federating cost with this exporter, with Prometheus and with VictoriaMetrics:
//! the same mocked nodes, the same configuration, one system at a time.
//!
//! The nodes and each system are processes of their own, and what counts is what the kernel says of a
//! system's process alone. All systems scrape over kept connections and ask the nodes for gzip.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "tables on standard output and progress on standard error are what this program is for"
)]

mod client;
mod federate;
mod measure;
mod nodes;
mod options;
mod quantity;
mod report;
mod run;
mod series;
mod system;

use std::process::ExitCode;

use federate::{Query, Selection};
use nodes::Nodes;
use options::{Asked, HELP, Options, Transport};
use report::Measured;

/// Why there are no figures, in words for whoever reads the terminal.
type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1).peekable();
    let ended = if words.peek().is_some_and(|word| word == nodes::SERVE) {
        nodes::serve(words.skip(1))
    } else {
        match Options::parse(std::env::args_os().skip(1)) {
            Ok(Asked::Run(options)) => compare(&options),
            Ok(Asked::Help) => {
                print!("{HELP}");
                Ok(())
            }
            Ok(Asked::Nothing) => {
                println!("a benchmark: cargo bench -p bins --bench peers");
                Ok(())
            }
            Err(error) => Err(format!("{error}\nTry --help.").into()),
        }
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}", bins::program::chain(&*error));
            ExitCode::FAILURE
        }
    }
}

fn compare(options: &Options) -> Result<(), Failure> {
    let mut measured = Vec::new();
    for system in &options.systems {
        match system.version() {
            Some(version) => measured.push(Measured {
                system: *system,
                version,
                runs: Vec::new(),
            }),
            None => eprintln!(
                "{}: not installed, left out. {}",
                system.name(),
                system.installation()
            ),
        }
    }
    let folder = tempfile::tempdir()?;
    let mut nodes = Nodes::start(options, folder.path())?;
    for _ in 0..options.rounds {
        for measured in &mut measured {
            let run = run::run(measured.system, &mut nodes, options, folder.path());
            let run = run.map_err(|error| format!("{}: {error}", measured.system.name()))?;
            measured.runs.push(run);
        }
    }
    drop(nodes);

    let differences = differences(&measured);
    let tables = report::tables(options, &measured);
    println!("{}\n\n{tables}", conditions(options, &measured));
    let path = report::json_path();
    let json = report::json(options, &measured, &differences);
    std::fs::write(&path, format!("{json:#}\n"))?;
    println!("All figures: {}", path.display());
    if !differences.is_empty() {
        return Err(format!(
            "the systems serve different series:\n{}",
            differences.join("\n")
        )
        .into());
    }
    Ok(())
}

/// What the figures are figures of.
fn conditions(options: &Options, measured: &[Measured]) -> String {
    let first = measured.iter().find_map(|measured| measured.runs.first());
    let (series, samples) = first.map_or((0.0, 0.0), |run| (run.node_series, run.samples));
    let transport = match options.transport {
        Transport::Plain => "HTTP",
        Transport::Tls => "TLS",
    };
    format!(
        "{} nodes with {series} series over {transport} each {:?}. CPU: utime + stime of the process over {:?} \
         once every node was scraped three times; {samples} samples by the nodes' count of scrapes and \
         scrape_samples_scraped. Resident: VmRSS, median over that time; peak: VmHWM above the VmRSS just before. \
         CPU of a request: what scraping takes is subtracted. Medians of rounds: {}.",
        options.nodes(),
        options.interval,
        options.window,
        options.rounds,
    )
}

/// What a peer serves otherwise than the first system, beyond its own metrics of a scrape.
fn differences(measured: &[Measured]) -> Vec<String> {
    let mut lines = Vec::new();
    let Some((first, peers)) = measured.split_first() else {
        return lines;
    };
    for peer in peers {
        for selection in Selection::ALL {
            let (Some(ours), Some(theirs)) = (first.series(selection), peer.series(selection))
            else {
                continue;
            };
            let own = [first.system.own_metrics(), peer.system.own_metrics()].concat();
            let query = Query {
                selection,
                encoding: federate::Encoding::Identity,
            };
            let found = ours.differences(theirs, &own);
            let names = format!(
                "{}, {} and {}",
                query,
                first.system.name(),
                peer.system.name()
            );
            lines.extend(
                found
                    .into_iter()
                    .map(|difference| format!("{names}: {difference}")),
            );
        }
    }
    lines
}
