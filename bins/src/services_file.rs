//! `services-file`: for operators who list services in a file, what such a file would say, and whether it is right.

pub mod check;
pub mod flags;

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;

use aiven_discovery::config::DNS_TIMEOUT;
use aiven_discovery::resolve::{Nameservers, Resolve, SystemResolver};

use self::flags::{CHECK_FLAGS, CHECK_USAGE, PROGRAM};
use crate::args::{self, Args, Asked};
use crate::config::Environment;
use crate::program::{self, chain};
use crate::{logging, program::block_on};

/// Some listed services aren't as they should be.
const FINDINGS: u8 = 1;

/// Does what the command line `args` asks for, the program's name not among them.
#[must_use]
pub fn run(args: impl IntoIterator<Item = OsString>, environment: Environment<'_>) -> ExitCode {
    let mut args = args.into_iter().peekable();
    args.next_if(|first| first == "check");
    let args = match Args::parse(CHECK_FLAGS, args) {
        Ok(Asked::Run(args)) => args,
        Ok(Asked::Help) => return program::print(&args::help(CHECK_USAGE, CHECK_FLAGS)),
        Ok(Asked::Version) => {
            let version = env!("CARGO_PKG_VERSION");
            return program::print(&format!("{PROGRAM}, version {version}\n"));
        }
        Err(error) => return program::usage(&error),
    };
    if let Err(error) = logging::start(args.value("log.level"), args.value("log.format")) {
        return program::usage(&error);
    }
    check(&args, environment)
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
