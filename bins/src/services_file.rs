//! `services-file`: for operators who list services in a file, what such a file would say, and whether it is right.

pub mod check;
pub mod flags;
pub mod print;

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;

use aiven_discovery::config::DNS_TIMEOUT;
use aiven_discovery::resolve::{Nameservers, Resolve, SystemResolver};

use self::flags::{CHECK_FLAGS, CHECK_USAGE, FLAGS, PROGRAM, USAGE};
use crate::args::{self, Args, Asked};
use crate::config::Environment;
use crate::logging;
use crate::program::{self, block_on, chain};

/// Some listed services aren't as they should be.
const FINDINGS: u8 = 1;

/// What the program does.
#[derive(Debug, Clone, Copy)]
enum Command {
    Print,
    Check,
}

/// Does what the command line `args` asks for, the program's name not among them.
#[must_use]
pub fn run(args: impl IntoIterator<Item = OsString>, environment: Environment<'_>) -> ExitCode {
    let mut args = args.into_iter().peekable();
    let (command, usage, flags) = match args.next_if(|first| first == "check") {
        Some(_) => (Command::Check, CHECK_USAGE, CHECK_FLAGS),
        None => (Command::Print, USAGE, FLAGS),
    };
    let args = match Args::parse(flags, args) {
        Ok(Asked::Run(args)) => args,
        Ok(Asked::Help) => return program::print(&args::help(usage, flags)),
        Ok(Asked::Version) => {
            let version = env!("CARGO_PKG_VERSION");
            return program::print(&format!("{PROGRAM}, version {version}\n"));
        }
        Err(error) => return program::usage(&error),
    };
    if let Err(error) = logging::start(args.value("log.level"), args.value("log.format")) {
        return program::usage(&error);
    }
    match command {
        Command::Print => print(&args, environment),
        Command::Check => check(&args, environment),
    }
}

fn print(args: &Args, environment: Environment<'_>) -> ExitCode {
    let settings = match flags::print_settings(args, environment) {
        Ok(settings) => settings,
        Err(error) => return program::usage(&chain(&error)),
    };
    let text = match block_on(print::services_file(&settings)) {
        Ok(Ok(text)) => text,
        Ok(Err(error)) => return program::fail(PROGRAM, &chain(&error)),
        Err(error) => return program::fail(PROGRAM, &error),
    };
    match settings.output {
        None => program::print(&text),
        Some(path) => match print::write(&text, &path) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => program::fail(PROGRAM, &chain(&error)),
        },
    }
}

fn check(args: &Args, environment: Environment<'_>) -> ExitCode {
    let (settings, nameservers) = match flags::check_settings(args, environment) {
        Ok(settings) => settings,
        Err(error) => return program::usage(&chain(&error)),
    };
    let check = async {
        let resolver: Arc<dyn Resolve> = match &*nameservers {
            [] => Arc::new(SystemResolver::new(DNS_TIMEOUT)),
            servers => {
                let servers = Nameservers::new(servers, DNS_TIMEOUT);
                Arc::new(servers.map_err(|error| chain(&error))?)
            }
        };
        let report = check::check(settings, &*resolver).await;
        report.map_err(|error| chain(&error))
    };
    match block_on(check).unwrap_or_else(|error| Err(error.to_string())) {
        Ok(report) => match (
            program::print(&report.to_string()),
            report.findings.is_empty(),
        ) {
            (printed, true) => printed,
            (_, false) => ExitCode::from(FINDINGS),
        },
        Err(reason) => program::fail(PROGRAM, &reason),
    }
}
