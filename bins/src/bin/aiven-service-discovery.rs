//! Keeps a file of Aiven services' Prometheus endpoints for Prometheus' file-based discovery.

use std::process::ExitCode;

use bins::args::{self, Args, Asked};
use bins::program::chain;
use bins::sidecar::flags::{self, FLAGS, USAGE};
use bins::sidecar::{PROGRAM, Sidecar};
use bins::{logging, program, signals};

fn main() -> ExitCode {
    let args = match Args::parse(FLAGS, std::env::args_os().skip(1)) {
        Ok(Asked::Run(args)) => args,
        Ok(Asked::Help) => return program::print(&args::help(USAGE, FLAGS)),
        Ok(Asked::Version) => {
            return program::print(&format!(
                "{PROGRAM}, version {}\n",
                env!("CARGO_PKG_VERSION")
            ));
        }
        Err(error) => return program::usage(&error),
    };
    let settings = match flags::settings(&args, &|name| std::env::var(name).ok()) {
        Ok(settings) => settings,
        Err(error) => return program::usage(&chain(&error)),
    };
    if let Err(error) = logging::start(args.value("log.level"), args.value("log.format")) {
        return program::usage(&error);
    }
    program::run(async {
        let shutdown = signals::termination().map_err(|error| program::Failure::new(&error))?;
        let sidecar = Sidecar::start(settings)
            .await
            .map_err(|error| program::Failure::new(&error))?;
        sidecar.run(shutdown).await;
        Ok(())
    })
}
