//! The command line.

use std::ffi::OsString;
use std::time::Duration;

use lexopt::{Arg, Parser, ValueExt};

use crate::Failure;
use crate::system::System;

pub(crate) const HELP: &str = "\
usage: cargo bench -p bins --bench peers -- [FLAGS]

Scrapes the same mocked nodes with this exporter, Prometheus and VictoriaMetrics in turn, fetches
/federate from each, and compares what that costs.

Flags:
  --services N      services of three nodes each (default 100)
  --interval DUR    time between scrapes (default 10s)
  --seconds N       how long the cost of scraping is measured, at least, once every node was scraped
                    three times (default 60)
  --tls             nodes speak TLS, verified by their authority
  --rounds N        how often each system is measured; figures are medians (default 1)
  --systems A,B     of exporter, prometheus, victoria-metrics (default: all that are installed)
  -h, --help

The variables PROMETHEUS_BINARY and VICTORIA_METRICS_BINARY name others than those on PATH.
";

/// How nodes are scraped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    Plain,
    Tls,
}

#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) services: usize,
    pub(crate) interval: Duration,
    /// A multiple of the interval.
    pub(crate) window: Duration,
    pub(crate) transport: Transport,
    pub(crate) rounds: usize,
    pub(crate) systems: Vec<System>,
}

pub(crate) enum Asked {
    Run(Options),
    Help,
    /// Started as a test or by itself, without `--bench`.
    Nothing,
}

impl Options {
    pub(crate) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Asked, Failure> {
        let mut options = Self {
            services: 100,
            interval: Duration::from_secs(10),
            window: Duration::from_secs(60),
            transport: Transport::Plain,
            rounds: 1,
            systems: System::ALL.to_vec(),
        };
        // Cargo passes it when it runs benchmarks, and not when it runs tests.
        let mut benchmarking = false;
        let mut parser = Parser::from_args(args);
        while let Some(arg) = parser.next()? {
            match arg {
                Arg::Short('h') | Arg::Long("help") => return Ok(Asked::Help),
                Arg::Long("bench") => benchmarking = true,
                Arg::Long("tls") => options.transport = Transport::Tls,
                Arg::Long("services") => options.services = at_least_one(&mut parser)?,
                Arg::Long("rounds") => options.rounds = at_least_one(&mut parser)?,
                Arg::Long("seconds") => {
                    let seconds: u32 = at_least_one(&mut parser)?;
                    options.window = Duration::from_secs(seconds.into());
                }
                Arg::Long("interval") => {
                    options.interval = parser.value()?.parse_with(prom_config::duration::parse)?;
                }
                Arg::Long("systems") => {
                    let names = parser.value()?.string()?;
                    let named = names.split(',').map(System::named);
                    options.systems = named.collect::<Result<_, _>>()?;
                }
                _ => return Err(arg.unexpected().into()),
            }
        }
        if options.interval < Duration::from_millis(100) {
            return Err("--interval must be at least 100ms".into());
        }
        let intervals = options.window.div_duration_f64(options.interval).ceil();
        options.window = options.interval.mul_f64(intervals);
        Ok(match benchmarking {
            true => Asked::Run(options),
            false => Asked::Nothing,
        })
    }

    pub(crate) fn nodes(&self) -> usize {
        self.services * crate::nodes::NODES_PER_SERVICE
    }
}

fn at_least_one<N>(parser: &mut Parser) -> Result<N, Failure>
where
    N: std::str::FromStr + PartialEq + Default,
    N::Err: Into<Box<dyn std::error::Error + Send + Sync + 'static>>,
{
    let number: N = parser.value()?.parse()?;
    if number == N::default() {
        return Err("a number must be at least 1".into());
    }
    Ok(number)
}
