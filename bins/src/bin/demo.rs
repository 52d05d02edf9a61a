//! The whole system on one machine: a mocked Aiven and the exporter.

use std::process::ExitCode;

use bins::args::{self, Args, Asked};
use bins::demo::{Demo, FLAGS, USAGE};
use bins::{logging, program, signals};

fn main() -> ExitCode {
    let args = match Args::parse(FLAGS, std::env::args_os().skip(1)) {
        Ok(Asked::Run(args)) => args,
        Ok(Asked::Help) => return program::print(&args::help(USAGE, FLAGS)),
        Ok(Asked::Version) => {
            return program::print(&format!("demo, version {}\n", env!("CARGO_PKG_VERSION")));
        }
        Err(error) => return program::usage(&error),
    };
    if let Some(word) = args.words.first() {
        return program::usage(&format!("unexpected argument {word:?}"));
    }
    if let Err(error) = logging::start(args.value("log.level"), args.value("log.format")) {
        return program::usage(&error);
    }
    program::run(async {
        let shutdown = signals::termination().map_err(|error| program::Failure::new(&error))?;
        let demo = Demo::start(&args)
            .await
            .map_err(|error| program::Failure::new(&error))?;
        let mut shutdown = std::pin::pin!(shutdown);
        // The commands that are about to be printed shall find samples.
        tokio::select! {
            () = demo.scraped() => {
                let _ = program::print(&demo.greeting());
                demo.run(shutdown).await;
            }
            () = &mut shutdown => {}
        }
        Ok(())
    })
}
