//! Requests that no client sends.

use flate2::read::MultiGzDecoder;
use std::io::Read as _;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::PATIENCE;

/// How long a server may take for an answer before it is told that nothing more comes.
const SILENCE: Duration = Duration::from_secs(2);

/// Everything that the server at `address` says to `bytes` until it closes the connection.
///
/// It may close it before all was sent, or read.
pub(crate) async fn exchange(address: &str, bytes: &[u8]) -> Vec<u8> {
    let talk = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let (mut from, mut to) = stream.split();
        let mut said = Vec::new();
        let mut part = vec![0; 1 << 16];
        let send = async {
            drop(to.write_all(bytes).await);
            // Who waits for the rest of a request shall know that there is none. Earlier it would be the end of the
            // answer.
            tokio::time::sleep(SILENCE).await;
            drop(to.shutdown().await);
            std::future::pending::<()>().await;
        };
        let receive = async {
            while let Ok(read @ 1..) = from.read(&mut part).await {
                said.extend_from_slice(&part[..read]);
            }
        };
        tokio::select! {
            () = send => {}
            () = receive => {}
        }
        said
    };
    let said = timeout(PATIENCE, talk).await;
    said.unwrap_or_else(|_| {
        panic!(
            "no end of {:?}",
            String::from_utf8_lossy(&bytes[..bytes.len().min(400)])
        )
    })
}

/// The text of `bytes`, and of whatever in it looks like gzip.
pub(crate) fn readable(bytes: &[u8]) -> String {
    let mut text = String::from_utf8_lossy(bytes).into_owned();
    let starts = bytes.windows(3).enumerate();
    for (at, _) in starts.filter(|(_, window)| *window == [0x1f, 0x8b, 8]) {
        let mut inner = Vec::new();
        // As far as it goes: chunks of HTTP may lie between.
        drop(MultiGzDecoder::new(&bytes[at..]).read_to_end(&mut inner));
        text += &String::from_utf8_lossy(&inner);
    }
    text
}
