//! Bodies that hold something until they are sent.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use http_body::{Frame, SizeHint};
use tokio::sync::OwnedSemaphorePermit;

/// What is held for an answer until its body has been sent, or nobody wants it any more.
pub(crate) trait Hold: Unpin {
    /// Whether the body may go on. Asked only when there is room for more of it.
    ///
    /// # Errors
    /// Where it is to break off.
    fn check(&self) -> io::Result<()> {
        Ok(())
    }
}

impl Hold for OwnedSemaphorePermit {}

/// The body of an answer, and what is given back with it.
#[derive(Debug)]
pub(crate) struct HeldBody<T> {
    body: Body,
    hold: T,
}

impl<T> HeldBody<T> {
    pub(crate) const fn new(body: Body, hold: T) -> Self {
        Self { body, hold }
    }
}

impl<T: Hold> http_body::Body for HeldBody<T> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if let Err(error) = self.hold.check() {
            return Poll::Ready(Some(Err(axum::Error::new(error))));
        }
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
