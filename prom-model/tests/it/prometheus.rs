//! A real Prometheus to compare with: the `prometheus` on PATH, on a port of its own.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

/// How a form is sent.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Method {
    Get,
    Post,
}

/// A running Prometheus. It ends with this value.
pub(crate) struct Prometheus {
    process: Child,
    address: String,
    major: u32,
}

impl Prometheus {
    /// Starts with the configuration file's text `config`, keeping everything in `folder`.
    pub(crate) fn start(folder: &Path, config: &str) -> Self {
        let file = folder.join("prometheus.yml");
        std::fs::write(&file, config).expect("a folder to write to");
        let mut process = Command::new("prometheus")
            .arg(format!("--config.file={}", file.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                folder.join("data").display()
            ))
            .arg("--web.listen-address=127.0.0.1:0")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("prometheus on PATH");
        let stderr = process.stderr.take().expect("stderr is piped");
        let mut lines = BufReader::new(stderr);
        let (mut address, mut major) = (None, None);
        let mut log = String::new();
        let mut start = 0;
        while !log[start..].contains("Server is ready") {
            start = log.len();
            let read = lines.read_line(&mut log).expect("a log in UTF-8");
            assert!(read > 0, "prometheus ended: {log}");
            let line = &log[start..];
            if line.contains("Listening on") {
                address = field(line, "address=");
            }
            if line.contains("Starting Prometheus") {
                major = field(line, "version=").map(|version| {
                    version
                        .trim_start_matches(|c: char| !c.is_ascii_digit())
                        .to_owned()
                });
            }
        }
        thread::spawn(move || io::copy(&mut lines, &mut io::sink()));
        let major = major.expect("a version in the log");
        Self {
            process,
            address: address.expect("an address in the log"),
            major: major
                .split('.')
                .next()
                .and_then(|major| major.parse().ok())
                .expect("a version"),
        }
    }

    /// Major version, 3 for 3.5.3.
    pub(crate) const fn major(&self) -> u32 {
        self.major
    }

    /// Status and body of the answer to a form sent to `path`.
    pub(crate) fn ask(&self, method: Method, path: &str, form: &[(&str, &str)]) -> (u16, String) {
        let form = encode(form);
        let (method, target, body) = match method {
            Method::Get => ("GET", format!("{path}?{form}"), ""),
            Method::Post => ("POST", path.to_owned(), &*form),
        };
        let mut stream = TcpStream::connect(&self.address).expect("prometheus listens");
        let length = body.len();
        let head = format!(
            "{method} {target} HTTP/1.0\r\nHost: localhost\r\nContent-Length: {length}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\n\r\n{body}"
        );
        stream.write_all(head.as_bytes()).expect("prometheus reads");
        let mut answer = String::new();
        stream
            .read_to_string(&mut answer)
            .expect("an answer in UTF-8");
        let (head, body) = answer
            .split_once("\r\n\r\n")
            .expect("an answer with a head");
        let status = head.split(' ').nth(1).expect("a status line");
        (status.parse().expect("a status"), body.to_owned())
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// What follows `key` in a line of the log, quotes left out.
fn field(line: &str, key: &str) -> Option<String> {
    let (_, value) = line.split_once(key)?;
    Some(
        value
            .split_whitespace()
            .next()?
            .trim_matches('"')
            .to_owned(),
    )
}

fn encode(form: &[(&str, &str)]) -> String {
    let mut encoded = String::new();
    for (name, value) in form {
        for (text, end) in [(name, '='), (value, '&')] {
            for byte in text.bytes() {
                encoded.push_str(&format!("%{byte:02X}"));
            }
            encoded.push(end);
        }
    }
    encoded
}
