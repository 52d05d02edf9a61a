//! A program under test: started, read, signalled, and killed at the end.

use std::io::{BufRead as _, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use super::eventually;

/// How much of the log is shown when a test fails.
const SHOWN_LINES: usize = 20;

/// A running program. It is killed when this is dropped.
pub(crate) struct Program {
    child: Child,
    stdout: Arc<Mutex<String>>,
    stderr: Arc<Mutex<String>>,
}

impl Program {
    /// Starts `command` and reads what it prints.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Self {
            stdout: collect(child.stdout.take().unwrap()),
            stderr: collect(child.stderr.take().unwrap()),
            child,
        }
    }

    /// Everything it has printed on standard output so far.
    pub(crate) fn stdout(&self) -> String {
        lock(&self.stdout).clone()
    }

    /// Everything it has printed on standard error so far, its log.
    pub(crate) fn log(&self) -> String {
        lock(&self.stderr).clone()
    }

    /// The process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for a line on standard error that `find` makes something of.
    pub(crate) async fn log_line<T>(&mut self, find: impl Fn(&str) -> Option<T>) -> T {
        let log = Arc::clone(&self.stderr);
        let child = &mut self.child;
        eventually("a line in the log", async || {
            if let Some(found) = lock(&log).lines().find_map(&find) {
                return Some(found);
            }
            let ended = child.try_wait().unwrap();
            assert!(ended.is_none(), "{ended:?}, log:\n{}", lock(&log));
            None
        })
        .await
    }

    /// Peak of its resident memory so far, in bytes.
    pub(crate) fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = peak.unwrap().trim().trim_end_matches(" kB");
        kib.parse::<u64>().unwrap() * 1024
    }

    /// Sends the signal called `name`, `TERM` for example.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .arg(format!("-{name}"))
            .arg(self.id().to_string())
            .status()
            .unwrap();
        assert!(sent.success(), "kill -{name}: {sent}");
    }

    /// Waits for its end.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let child = &mut self.child;
        eventually("the end of a program", async || child.try_wait().unwrap()).await
    }
}

impl Drop for Program {
    #[expect(
        clippy::print_stdout,
        reason = "the test harness shows it with the failed test"
    )]
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
        if thread::panicking() {
            let log = self.log();
            let lines: Vec<_> = log.lines().collect();
            let shown = lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n");
            println!("--- end of stderr of process {}:\n{shown}", self.id());
        }
    }
}

/// The value of `key=` in a logfmt line, quotes left out.
pub(crate) fn field<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    let (_, value) = line.split_once(&format!("{key}="))?;
    match value.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next(),
        None => value.split_whitespace().next(),
    }
}

/// Reads `from` to its end on a thread of its own.
fn collect(from: impl Read + Send + 'static) -> Arc<Mutex<String>> {
    let text = Arc::new(Mutex::new(String::new()));
    let into = Arc::clone(&text);
    thread::spawn(move || {
        let mut from = BufReader::new(from);
        let mut line = Vec::new();
        while from.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            lock(&into).push_str(&String::from_utf8_lossy(&line));
            line.clear();
        }
    });
    text
}

fn lock(text: &Mutex<String>) -> std::sync::MutexGuard<'_, String> {
    text.lock().unwrap_or_else(PoisonError::into_inner)
}
