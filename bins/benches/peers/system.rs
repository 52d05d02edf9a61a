//! The systems that are compared, and how each is run.

use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Failure;
use crate::client::Client;
use crate::measure::pause;

/// How long a system may take until it answers.
const START: Duration = Duration::from_secs(60);
/// How much of a log is shown when something goes wrong.
const SHOWN_LINES: usize = 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum System {
    Exporter,
    Prometheus,
    VictoriaMetrics,
}

impl System {
    pub(crate) const ALL: [Self; 3] = [Self::Exporter, Self::Prometheus, Self::VictoriaMetrics];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Exporter => "exporter",
            Self::Prometheus => "prometheus",
            Self::VictoriaMetrics => "victoria-metrics",
        }
    }

    pub(crate) fn named(name: &str) -> Result<Self, Failure> {
        let found = Self::ALL.into_iter().find(|system| system.name() == name);
        found.ok_or_else(|| {
            format!("no system {name:?}, expected exporter, prometheus or victoria-metrics").into()
        })
    }

    /// Its version, maybe empty; `None` where it isn't installed.
    pub(crate) fn version(self) -> Option<String> {
        let said = Command::new(self.binary()).arg("--version").output().ok()?;
        // Some print it on standard error, and Debian's VictoriaMetrics doesn't know its own.
        let said = [said.stdout, said.stderr].concat();
        let of_package = || {
            let mut query = Command::new("dpkg-query");
            query.args(["--show", "--showformat=${Version}", self.name()]);
            Some(query.output().ok()?.stdout)
        };
        let version = |text: &[u8]| {
            let text = String::from_utf8_lossy(text);
            let mut words = text.split(|separator| " ,+-()\n".contains(separator));
            let is_version =
                |word: &&str| word.contains('.') && word.starts_with(|c: char| c.is_ascii_digit());
            Some(words.find(is_version)?.to_owned())
        };
        version(&said)
            .or_else(|| version(&of_package()?))
            .or_else(|| Some(String::new()))
    }

    /// How to get it.
    pub(crate) fn installation(self) -> &'static str {
        match self {
            Self::Exporter => "built with this benchmark",
            Self::Prometheus => "Debian has it: apt-get install prometheus",
            Self::VictoriaMetrics => "Debian has it: apt-get install victoria-metrics",
        }
    }

    /// Metrics of a scrape that it alone adds, so that others needn't have them.
    pub(crate) fn own_metrics(self) -> &'static [&'static str] {
        match self {
            Self::Exporter | Self::Prometheus => &[],
            Self::VictoriaMetrics => &["scrape_timeout_seconds", "scrape_response_size_bytes"],
        }
    }

    /// Starts it by the configuration file `config`, keeping its data in `folder`, and waits until
    /// it answers.
    pub(crate) fn start(self, config: &Path, folder: &Path) -> Result<Running, Failure> {
        let folder = folder.join(self.name());
        drop(std::fs::remove_dir_all(&folder));
        std::fs::create_dir(&folder)?;
        let address = free_address()?;
        let (config, data) = (config.display(), folder.display());
        let mut command = bound_to_parent(&self.binary());
        let ready = match self {
            Self::Exporter => {
                command
                    .arg(format!("--config.file={config}"))
                    .arg(format!("--web.listen-address={address}"));
                "/-/ready"
            }
            Self::Prometheus => {
                command
                    .arg(format!("--config.file={config}"))
                    .arg(format!("--web.listen-address={address}"))
                    .arg(format!("--storage.tsdb.path={data}"));
                "/-/ready"
            }
            Self::VictoriaMetrics => {
                command
                    .arg(format!("-promscrape.config={config}"))
                    .arg(format!("-httpListenAddr={address}"))
                    .arg(format!("-storageDataPath={data}"))
                    .arg("-retentionPeriod=1d")
                    // Its defaults refuse to federate some thousand nodes.
                    .arg("-search.maxFederateSeries=100000000")
                    .arg("-search.maxUniqueTimeseries=100000000");
                "/health"
            }
        };
        let log = folder.join("log");
        let into = File::create(&log)?;
        let child = command
            .env_remove("PORT")
            .stdout(into.try_clone()?)
            .stderr(into)
            .spawn()?;
        let mut running = Running {
            child,
            address,
            log,
            folder,
        };
        let deadline = Instant::now() + START;
        loop {
            let answer =
                Client::connect(address).and_then(|mut client| client.get(ready, "identity"));
            if answer.is_ok_and(|answer| answer.status == 200) {
                return Ok(running);
            }
            running.check()?;
            if Instant::now() > deadline {
                return Err(running.failure("it doesn't get ready"));
            }
            pause(Duration::from_millis(50));
        }
    }

    fn binary(self) -> PathBuf {
        let (variable, name) = match self {
            Self::Exporter => return env!("CARGO_BIN_EXE_elasticsearch-metric-exporter").into(),
            Self::Prometheus => ("PROMETHEUS_BINARY", "prometheus"),
            Self::VictoriaMetrics => ("VICTORIA_METRICS_BINARY", "victoria-metrics"),
        };
        std::env::var_os(variable).map_or_else(|| name.into(), PathBuf::from)
    }
}

/// A system's process. It is killed, and its data removed, when this is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    pub(crate) address: SocketAddr,
    log: PathBuf,
    folder: PathBuf,
}

impl Running {
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// An error if it has ended.
    pub(crate) fn check(&mut self) -> Result<(), Failure> {
        match self.child.try_wait()? {
            Some(status) => Err(self.failure(&format!("it ended: {status}"))),
            None => Ok(()),
        }
    }

    /// `what` went wrong, and what it wrote last.
    pub(crate) fn failure(&self, what: &str) -> Failure {
        let log = std::fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<_> = log.lines().collect();
        let end = lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n");
        format!("{what}; its log ends with\n{end}").into()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself, and a temporary folder goes anyway.
        drop(self.child.kill());
        drop(self.child.wait());
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

/// A command for `binary` that may open as many files, and so connections, as the system allows:
/// the usual limit is too low for a thousand nodes.
pub(crate) fn many_descriptors(binary: &Path) -> Command {
    shell(r#"ulimit -n "$(ulimit -H -n)"; exec "$0" "$@""#, binary)
}

/// The same for a program that doesn't care about its standard input: it is terminated when the
/// other end of that is closed, so that it doesn't outlive this program however that ends.
fn bound_to_parent(binary: &Path) -> Command {
    let script = r#"
        ulimit -n "$(ulimit -H -n)"
        exec 3<&0
        (cat <&3; kill $$) >/dev/null 2>&1 &
        exec "$0" "$@" 3<&- </dev/null
    "#;
    let mut command = shell(script, binary);
    command.stdin(Stdio::piped());
    command
}

fn shell(script: &str, binary: &Path) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]).arg(binary);
    command
}

/// An address nobody listens at, as long as nobody else looks for one.
fn free_address() -> Result<SocketAddr, Failure> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}
