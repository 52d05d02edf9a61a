//! Discovers the Prometheus endpoints of Aiven services, scrapes them, and serves their latest
//! samples to tenants' own Prometheus.

use std::process::ExitCode;

use bins::args::{self, Args, Asked};
use bins::exporter::flags::{self, FLAGS, USAGE};
use bins::exporter::{Exporter, build, check};
use bins::program::chain;
use bins::{logging, platform, program, signals};

/// The configuration has to be changed; as Prometheus.
const BAD_CONFIGURATION: u8 = 2;

fn main() -> ExitCode {
    let args = match Args::parse(FLAGS, std::env::args_os().skip(1)) {
        Ok(Asked::Run(args)) => args,
        Ok(Asked::Help) => return program::print(&args::help(USAGE, FLAGS)),
        Ok(Asked::Version) => {
            return program::print(&format!("{}, version {}\n", build::PROGRAM, build::VERSION));
        }
        Err(error) => return program::usage(&error),
    };
    let environment = match platform::variables(|name| std::env::var(name).ok()) {
        Ok(environment) => environment,
        Err(error) => return program::usage(&chain(&error)),
    };
    if let [command, path] = &*args.words
        && command == "check-config"
    {
        let (lines, good) = check::check(path.as_ref(), &*environment);
        let printed = program::print(&(lines.join("\n") + "\n"));
        return if good { printed } else { ExitCode::FAILURE };
    }
    let settings = match flags::settings(&args, &*environment) {
        Ok(settings) => settings,
        Err(error) => return program::usage(&chain(&error)),
    };
    if let Err(error) = logging::start(args.value("log.level"), args.value("log.format")) {
        return program::usage(&error);
    }
    program::run(async {
        let shutdown = signals::termination().map_err(|error| program::Failure::new(&error))?;
        let mut hangups = signals::hangups().map_err(|error| program::Failure::new(&error))?;
        let exporter = Exporter::start(settings, environment)
            .await
            .map_err(|error| {
                let failure = program::Failure::new(&error);
                if error.is_configuration() {
                    failure.with_code(BAD_CONFIGURATION)
                } else {
                    failure
                }
            })?;
        let (reload, reloads) = tokio::sync::mpsc::channel(1);
        let forward = tokio::spawn(async move {
            while hangups.recv().await.is_some() {
                if reload.send(()).await.is_err() {
                    return;
                }
            }
        });
        exporter.run(reloads, shutdown).await;
        forward.abort();
        Ok(())
    })
}
