//! Signals of the operating system as futures.

use std::future::Future;
use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Ends with the first SIGTERM or SIGINT from now on.
///
/// # Errors
/// Where the handlers can't be installed.
pub fn termination() -> io::Result<impl Future<Output = ()> + Send> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Every SIGHUP from now on.
///
/// # Errors
/// Where the handler can't be installed.
pub fn hangups() -> io::Result<Signal> {
    signal(SignalKind::hangup())
}
