//! A program under test: started, read, signalled, and killed at the end.

use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::eventually;

/// How much of the log is shown when a test fails.
const SHOWN_LINES: usize = 20;

/// A running program. It is killed when this is dropped.
pub(crate) struct Program {
    child: Child,
    stdout: Collected,
    stderr: Collected,
}

impl Program {
    /// Starts `command` and reads what it prints.
    pub(crate) fn start(command: &mut Command) -> Self {
        Self::start_with(command, Stdio::null())
    }

    /// The same for a program that lines are typed for.
    pub(crate) fn start_typing(command: &mut Command) -> Self {
        Self::start_with(command, Stdio::piped())
    }

    fn start_with(command: &mut Command, stdin: Stdio) -> Self {
        let mut child = command
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Self {
            stdout: Collected::from(child.stdout.take().unwrap()),
            stderr: Collected::from(child.stderr.take().unwrap()),
            child,
        }
    }

    /// What was read of its standard output so far; everything once it has [`ended`](Self::ended).
    pub(crate) fn stdout(&self) -> String {
        self.stdout.text()
    }

    /// What was read of its standard error, its log, so far; everything once it has [`ended`](Self::ended).
    pub(crate) fn log(&self) -> String {
        self.stderr.text()
    }

    /// Types `line` on its standard input.
    pub(crate) fn type_line(&mut self, line: &str) {
        let stdin = self.child.stdin.as_mut().unwrap();
        stdin.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    /// The process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for a line on standard error that `find` makes something of.
    pub(crate) async fn log_line<T>(&mut self, find: impl Fn(&str) -> Option<T>) -> T {
        let (log, child) = (&self.stderr, &mut self.child);
        eventually("a line in the log", async || {
            // Before the look at the log, which is complete after an end.
            let ended = child.try_wait().unwrap().filter(|_| log.is_complete());
            let found = lock(&log.text).lines().find_map(&find);
            assert!(
                found.is_some() || ended.is_none(),
                "{ended:?}, log:\n{}",
                log.text()
            );
            found
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

    /// How long processors have worked for it so far.
    pub(crate) fn processor_time(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.id())).unwrap();
        // Behind the name in parentheses, which may have spaces; in hundredths of a second on Linux.
        let (_, fields) = stat.rsplit_once(") ").unwrap();
        let fields = fields.split(' ').skip(11).take(2);
        let ticks: u64 = fields.map(|it| it.parse::<u64>().unwrap()).sum();
        Duration::from_millis(ticks * 10)
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

    /// Waits for its end, and until all that it has printed is read.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let child = &mut self.child;
        let status = eventually("the end of a program", async || child.try_wait().unwrap()).await;
        let (stdout, stderr) = (&self.stdout, &self.stderr);
        eventually("the end of what a program prints", async || {
            (stdout.is_complete() && stderr.is_complete()).then_some(())
        })
        .await;
        status
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

/// What a program prints, read on a thread of its own.
struct Collected {
    text: Arc<Mutex<String>>,
    reading: JoinHandle<()>,
}

impl Collected {
    /// Reads `from` to its end.
    fn from(from: impl Read + Send + 'static) -> Self {
        let text = Arc::new(Mutex::new(String::new()));
        let into = Arc::clone(&text);
        let reading = thread::spawn(move || {
            let mut from = BufReader::new(from);
            let mut line = Vec::new();
            while from.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                lock(&into).push_str(&String::from_utf8_lossy(&line));
                line.clear();
            }
        });
        Self { text, reading }
    }

    fn text(&self) -> String {
        lock(&self.text).clone()
    }

    /// Whether nothing more can come.
    fn is_complete(&self) -> bool {
        self.reading.is_finished()
    }
}

fn lock(text: &Mutex<String>) -> std::sync::MutexGuard<'_, String> {
    text.lock().unwrap_or_else(PoisonError::into_inner)
}
