//! Prints the services file of a Cloud Foundry, and checks one against Aiven.

use std::process::ExitCode;

fn main() -> ExitCode {
    bins::services_file::run(std::env::args_os().skip(1), &|name| {
        std::env::var(name).ok()
    })
}
