//! An HTTP client that costs next to nothing, so that latencies are the server's.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Fits a processor's second-level cache; what is read is looked at once.
const BUFFER: usize = 256 << 10;
/// How long a server may say nothing.
const SILENCE: Duration = Duration::from_secs(120);
const LONGEST_LINE: u64 = 64 << 10;

/// A connection that is kept for further requests.
#[derive(Debug)]
pub(crate) struct Client {
    stream: BufReader<TcpStream>,
}

/// What came back, its body already handed on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Bytes of the body, as they came.
    pub(crate) bytes: u64,
    pub(crate) gzip: bool,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(SILENCE))?;
        Ok(Self {
            stream: BufReader::with_capacity(BUFFER, stream),
        })
    }

    /// Gets `path`, asking for `encoding`, and reads the answer without keeping it.
    pub(crate) fn get(&mut self, path: &str, encoding: &str) -> io::Result<Answer> {
        self.request(path, encoding, |_piece| {})
    }

    /// Gets `path`, asking for `encoding`, and hands the body to `take` piece by piece.
    pub(crate) fn request(
        &mut self,
        path: &str,
        encoding: &str,
        mut take: impl FnMut(&[u8]),
    ) -> io::Result<Answer> {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: text/plain;version=0.0.4\r\n\
             Accept-Encoding: {encoding}\r\n\r\n"
        );
        self.stream.get_mut().write_all(request.as_bytes())?;
        let status = self.line()?;
        let status = status.split(' ').nth(1).and_then(|code| code.parse().ok());
        let mut answer = Answer {
            status: status.ok_or_else(|| malformed("no status"))?,
            bytes: 0,
            gzip: false,
        };
        let (mut length, mut chunked) = (None, false);
        loop {
            let line = self.line()?.to_ascii_lowercase();
            let Some((name, value)) = line.split_once(':') else {
                break;
            };
            match (name, value.trim()) {
                ("content-length", value) => length = value.parse().ok(),
                ("transfer-encoding", value) => chunked = value == "chunked",
                ("content-encoding", value) => answer.gzip = value == "gzip",
                _ => {}
            }
        }
        if !chunked {
            let length = length.ok_or_else(|| malformed("a body without an end"))?;
            self.piece(length, &mut take)?;
            answer.bytes = length;
            return Ok(answer);
        }
        loop {
            let size = self.line()?;
            let size = u64::from_str_radix(size.trim(), 16).map_err(|_| malformed("no chunk"))?;
            self.piece(size, &mut take)?;
            self.line()?;
            answer.bytes += size;
            if size == 0 {
                return Ok(answer);
            }
        }
    }

    /// Reads `length` bytes of the body.
    fn piece(&mut self, mut length: u64, take: &mut impl FnMut(&[u8])) -> io::Result<()> {
        while length > 0 {
            let buffer = self.stream.fill_buf()?;
            if buffer.is_empty() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let wanted = usize::try_from(length).unwrap_or(usize::MAX);
            let read = buffer.len().min(wanted);
            take(&buffer[..read]);
            self.stream.consume(read);
            length -= read as u64;
        }
        Ok(())
    }

    /// The next line, without its end.
    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        (&mut self.stream).take(LONGEST_LINE).read_line(&mut line)?;
        match line.strip_suffix("\r\n") {
            Some(line) => Ok(line.to_owned()),
            None => Err(malformed("the answer breaks off")),
        }
    }
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
