//! What a connection is doing, so that one that does nothing is ended, and an answer that takes too long as well.

use std::io;

use axum::body::Body;
use tokio::sync::watch;
use tokio::time::{Duration, Instant, timeout};

use crate::held::{HeldBody, Hold};

/// The requests of one connection.
#[derive(Debug, Clone, Default)]
pub(super) struct Activity(watch::Sender<Requests>);

#[derive(Debug, Clone, Copy, Default)]
struct Requests {
    /// How many there were.
    total: u64,
    /// Those not answered as yet.
    open: u64,
}

impl Activity {
    /// Another request has come, which is open until the result is dropped.
    pub(super) fn request(&self) -> OpenRequest {
        self.0.send_modify(|requests| {
            requests.total += 1;
            requests.open += 1;
        });
        OpenRequest(self.0.clone())
    }

    /// Ends when there was no first request for `first`, or no other for `next` after all were answered.
    pub(super) async fn idle(&self, first: Duration, next: Duration) {
        let mut requests = self.0.subscribe();
        let (mut seen, mut patience) = (0, first);
        loop {
            let another = requests.wait_for(|requests| requests.total > seen);
            if timeout(patience, another).await.is_err() {
                return;
            }
            // The channel never closes, as this is one of its senders.
            let answered = requests.wait_for(|requests| requests.open == 0).await;
            seen = answered.map_or(seen, |requests| requests.total);
            patience = next;
        }
    }
}

/// A request whose answer isn't sent as yet.
#[derive(Debug)]
pub(super) struct OpenRequest(watch::Sender<Requests>);

impl Drop for OpenRequest {
    fn drop(&mut self) {
        self.0.send_modify(|requests| requests.open -= 1);
    }
}

/// The body of an answer, which breaks off once its time is over.
pub(super) type TimedBody = HeldBody<TimedRequest>;

/// A request that is to be answered by then.
#[derive(Debug)]
pub(super) struct TimedRequest {
    deadline: Instant,
    _request: OpenRequest,
}

impl TimedBody {
    pub(super) fn timed(body: Body, time: Duration, request: OpenRequest) -> Self {
        let hold = TimedRequest {
            deadline: Instant::now() + time,
            _request: request,
        };
        Self::new(body, hold)
    }
}

impl Hold for TimedRequest {
    // A peer that takes nothing is `Paced`'s matter.
    fn check(&self) -> io::Result<()> {
        if Instant::now() >= self.deadline {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;
    use futures_util::stream;
    use tokio::time::sleep;

    use super::*;

    const FIRST: Duration = Duration::from_secs(10);
    const NEXT: Duration = Duration::from_secs(100);

    #[tokio::test(start_paused = true)]
    async fn the_first_request_has_less_time_than_the_next() {
        let start = Instant::now();
        Activity::default().idle(FIRST, NEXT).await;
        assert_eq!(start.elapsed().as_secs(), 10);

        let activity = Activity::default();
        let requests = async {
            sleep(Duration::from_secs(9)).await;
            let (one, other) = (activity.request(), activity.request());
            sleep(Duration::from_secs(1000)).await;
            drop(one);
            sleep(Duration::from_secs(1000)).await;
            drop(other);
            sleep(Duration::from_secs(99)).await;
            drop(activity.request());
        };
        let start = Instant::now();
        tokio::join!(requests, activity.idle(FIRST, NEXT));
        assert_eq!(start.elapsed().as_secs(), 9 + 2000 + 99 + 100);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_breaks_off_when_its_time_is_over() {
        let parts = |count| {
            stream::unfold(0, move |at| async move {
                sleep(Duration::from_secs(1)).await;
                (at < count).then(|| (Ok::<_, io::Error>("part"), at + 1))
            })
        };
        let read = async |count| {
            let request = Activity::default().request();
            let body = TimedBody::timed(Body::from_stream(parts(count)), FIRST, request);
            to_bytes(Body::new(body), usize::MAX).await
        };
        assert_eq!(read(5).await.unwrap().len(), 20);
        assert!(read(50).await.is_err());
    }
}
