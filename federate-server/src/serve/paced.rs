//! A connection that gives up on a peer who doesn't take what is sent.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Duration, Instant, Sleep, sleep};

/// How slowly a peer may take an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// While writing waits for the peer, so many bytes…
    pub bytes: u64,
    /// …must go out in each such time.
    pub every: Duration,
}

/// Wraps a connection; writing fails with [`io::ErrorKind::TimedOut`] once the peer is slower than [`Pace`].
#[derive(Debug)]
pub(super) struct Paced<S> {
    stream: S,
    pace: Pace,
    /// Runs while writing waits for the peer.
    window: Option<Pin<Box<Sleep>>>,
    written: u64,
}

impl<S> Paced<S> {
    pub(super) fn new(stream: S, pace: Pace) -> Self {
        Self {
            stream,
            pace,
            window: None,
            written: 0,
        }
    }

    /// Takes note of how a write went.
    fn observe<T>(
        &mut self,
        cx: &mut Context<'_>,
        progress: Poll<io::Result<T>>,
        bytes: impl Fn(&T) -> u64,
    ) -> Poll<io::Result<T>> {
        match progress {
            Poll::Ready(Ok(done)) => {
                self.written += bytes(&done);
                Poll::Ready(Ok(done))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                let every = self.pace.every;
                let written = &mut self.written;
                let window = self.window.get_or_insert_with(|| {
                    *written = 0;
                    Box::pin(sleep(every))
                });
                while window.as_mut().poll(cx).is_ready() {
                    if *written < self.pace.bytes {
                        return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
                    }
                    *written = 0;
                    window.as_mut().reset(Instant::now() + every);
                }
                Poll::Pending
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let progress = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.observe(cx, progress, |count| *count as u64)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let progress = Pin::new(&mut self.stream).poll_write_vectored(cx, bytes);
        self.observe(cx, progress, |count| *count as u64)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let progress = Pin::new(&mut self.stream).poll_flush(cx);
        ready!(self.observe(cx, progress, |()| 0))?;
        // Everything is out: nobody waits for the peer any more.
        self.window = None;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let progress = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.observe(cx, progress, |()| 0)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    const PACE: Pace = Pace {
        bytes: 100,
        every: Duration::from_secs(10),
    };

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_nothing_is_given_up() {
        let (ours, _theirs) = duplex(10);
        let error = Paced::new(ours, PACE)
            .write_all(&[0; 100])
            .await
            .unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn a_dripping_peer_is_given_up() {
        let (ours, mut theirs) = duplex(10);
        let drip = tokio::spawn(async move {
            let mut byte = [0];
            while theirs.read_exact(&mut byte).await.is_ok() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
        let mut ours = Paced::new(ours, PACE);
        let error = ours.write_all(&[0; 1000]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(ours);
        drip.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_peer_that_keeps_pace_is_served() {
        let (ours, mut theirs) = duplex(50);
        let slow = tokio::spawn(async move {
            let mut bytes = [0; 50];
            let mut total = 0;
            while theirs.read_exact(&mut bytes).await.is_ok() {
                total += bytes.len();
                tokio::time::sleep(Duration::from_secs(3)).await;
            }
            total
        });
        let mut ours = Paced::new(ours, PACE);
        ours.write_all(&[0; 1000]).await.unwrap();
        ours.flush().await.unwrap();
        drop(ours);
        assert_eq!(slow.await.unwrap(), 1000);
    }
}
