//! Ends of programs: what they print, and their exit codes.

use std::fmt::Display;
use std::future::Future;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use tracing::error;

/// When a program ends although something hasn't, from the signal on; the platform kills it after 10 seconds.
pub const LAST_MOMENT: Duration = Duration::from_millis(9500);

/// The command line is wrong; as Go's and GNU's programs.
const USAGE: u8 = 2;

/// Why a program ends before its time.
#[derive(Debug)]
pub struct Failure {
    reason: String,
    code: u8,
}

impl Failure {
    /// Ends with exit code 1 because of `error` and its causes.
    #[must_use]
    pub fn new(error: &dyn std::error::Error) -> Self {
        Self {
            reason: chain(error),
            code: 1,
        }
    }

    /// The same with this exit code.
    #[must_use]
    pub const fn with_code(mut self, code: u8) -> Self {
        self.code = code;
        self
    }
}

/// Prints `text` as the program's answer.
#[must_use]
pub fn print(text: &str) -> ExitCode {
    match std::io::stdout().write_all(text.as_bytes()) {
        // Whoever reads it may stop reading.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => ExitCode::FAILURE,
        _ => ExitCode::SUCCESS,
    }
}

/// Says what is wrong with the command line.
#[must_use]
pub fn usage(reason: &dyn Display) -> ExitCode {
    // There is nobody to tell where standard error is closed.
    let _ = writeln!(std::io::stderr(), "{reason}\nTry --help.");
    ExitCode::from(USAGE)
}

/// Says on standard error that `program` failed, and why; its exit code is 2.
#[must_use]
pub fn fail(program: &str, reason: &dyn Display) -> ExitCode {
    // There is nobody to tell where standard error is closed.
    let _ = writeln!(std::io::stderr(), "{program}: {reason}");
    ExitCode::from(USAGE)
}

/// Runs `work` to its end on a runtime of one thread.
///
/// # Errors
/// Where the runtime can't be started.
pub fn block_on<T>(work: impl Future<Output = T>) -> std::io::Result<T> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build()?;
    let result = runtime.block_on(work);
    runtime.shutdown_background();
    Ok(result)
}

/// Runs `program` on a runtime of its own, logs why it failed, and turns its end into an exit code.
///
/// The runtime has one thread: discovery and scrapes are many small tasks a second with long breaks between them, and
/// waking a second thread for each costs more than it saves. What needs more, such as [`crate::exporter`]'s server,
/// brings its own.
#[must_use]
pub fn run(program: impl Future<Output = Result<(), Failure>>) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            error!(%error, "the runtime can't be started");
            return ExitCode::FAILURE;
        }
    };
    let result = runtime.block_on(program);
    // What still blocks a thread must not hold up the end.
    runtime.shutdown_background();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            error!(reason = failure.reason, "exiting");
            ExitCode::from(failure.code)
        }
    }
}

/// An error with its causes, in one line.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let mut texts: Vec<String> = causes.map(ToString::to_string).collect();
    // A transparent error repeats what it wraps.
    texts.dedup();
    texts.join(": ")
}
