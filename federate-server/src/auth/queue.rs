//! A queue in which nobody waits for another's many.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::client::Site;
use super::throttle::Record;

/// How many requests may wait for their password to be checked: about as many as have their turn within the ten seconds
/// of a scrape.
pub const MAX_WAITING: usize = 128;

/// Lets a few do something at one time. The others wait, and addresses take turns: each has a line of its own. Those
/// whose passwords were wrong lately come after all others.
///
/// Where [`MAX_WAITING`] wait already, the last one of the longest line makes room.
#[derive(Debug)]
pub(super) struct FairQueue {
    state: Mutex<State>,
    slots: usize,
    per_address: usize,
}

/// Too many wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Full;

#[derive(Debug, Default)]
struct State {
    under_way: HashMap<Site, usize>,
    total: usize,
    clean: Lines,
    failing: Lines,
}

/// Those who wait, by address; the address at the front is the next.
#[derive(Debug, Default)]
struct Lines(VecDeque<(Site, VecDeque<oneshot::Sender<Turn>>)>);

/// A turn, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    client: Site,
    queue: Option<Arc<FairQueue>>,
}

impl FairQueue {
    /// A queue for `slots` at one time, of which an address has `per_address` at most.
    pub(super) fn new(slots: usize, per_address: usize) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            slots,
            per_address,
        })
    }

    /// Waits for a turn.
    ///
    /// # Errors
    /// Where too many wait, also when that comes to be so.
    pub(super) async fn turn(self: &Arc<Self>, client: Site, record: Record) -> Result<Turn, Full> {
        let waiting = {
            let mut state = self.lock();
            if self.is_free(&state, client) {
                return Ok(self.begin(&mut state, client));
            }
            let (sender, waiting) = oneshot::channel();
            state.enqueue(client, record, sender)?;
            waiting
        };
        waiting.await.map_err(|_| Full)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_free(&self, state: &State, client: Site) -> bool {
        let own = state.under_way.get(&client).copied().unwrap_or_default();
        state.total < self.slots && own < self.per_address
    }

    fn begin(self: &Arc<Self>, state: &mut State, client: Site) -> Turn {
        state.total += 1;
        *state.under_way.entry(client).or_default() += 1;
        let queue = Some(Arc::clone(self));
        Turn { client, queue }
    }

    fn end(self: &Arc<Self>, client: Site) {
        let mut state = self.lock();
        state.end(client);
        while let Some((client, waiting)) = state.next(|state, client| self.is_free(state, client))
        {
            let turn = self.begin(&mut state, client);
            if let Err(mut given_up) = waiting.send(turn) {
                given_up.queue = None;
                state.end(client);
            }
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(queue) = self.queue.take() {
            queue.end(self.client);
        }
    }
}

impl State {
    fn end(&mut self, client: Site) {
        self.total -= 1;
        if let Some(own) = self.under_way.get_mut(&client) {
            *own -= 1;
            if *own == 0 {
                self.under_way.remove(&client);
            }
        }
    }

    /// Who is next of those whose address `is_free` to begin.
    fn next(
        &mut self,
        is_free: impl Fn(&Self, Site) -> bool,
    ) -> Option<(Site, oneshot::Sender<Turn>)> {
        let at = |lines: &Lines| {
            lines
                .0
                .iter()
                .position(|(client, _)| is_free(self, *client))
        };
        if let Some(at) = at(&self.clean) {
            return self.clean.take(at);
        }
        let at = at(&self.failing)?;
        self.failing.take(at)
    }

    fn enqueue(
        &mut self,
        client: Site,
        record: Record,
        sender: oneshot::Sender<Turn>,
    ) -> Result<(), Full> {
        if self.waiting() >= MAX_WAITING {
            self.clean.prune();
            self.failing.prune();
        }
        let (clean, failing) = (self.clean.longest(), self.failing.longest());
        if self.waiting() >= MAX_WAITING {
            match record {
                Record::Clean if failing > 0 => self.failing.shorten(),
                Record::Clean if clean > self.clean.length(client) + 1 => self.clean.shorten(),
                Record::Failing if failing > self.failing.length(client) + 1 => {
                    self.failing.shorten()
                }
                _ => return Err(Full),
            }
        }
        match record {
            Record::Clean => self.clean.add(client, sender),
            Record::Failing => self.failing.add(client, sender),
        }
        Ok(())
    }

    fn waiting(&self) -> usize {
        self.clean.total() + self.failing.total()
    }
}

impl Lines {
    fn total(&self) -> usize {
        self.0.iter().map(|(_, line)| line.len()).sum()
    }

    fn longest(&self) -> usize {
        self.0
            .iter()
            .map(|(_, line)| line.len())
            .max()
            .unwrap_or_default()
    }

    fn length(&self, client: Site) -> usize {
        let line = self.0.iter().find(|(other, _)| *other == client);
        line.map_or(0, |(_, line)| line.len())
    }

    fn add(&mut self, client: Site, sender: oneshot::Sender<Turn>) {
        match self.0.iter_mut().find(|(other, _)| *other == client) {
            Some((_, line)) => line.push_back(sender),
            None => self.0.push_back((client, VecDeque::from([sender]))),
        }
    }

    /// The first of the line at `at`, which goes behind all others.
    fn take(&mut self, at: usize) -> Option<(Site, oneshot::Sender<Turn>)> {
        let (client, mut line) = self.0.remove(at)?;
        let first = line.pop_front();
        if !line.is_empty() {
            self.0.push_back((client, line));
        }
        Some((client, first?))
    }

    /// Sends away the last of the longest line.
    fn shorten(&mut self) {
        if let Some((_, line)) = self.0.iter_mut().max_by_key(|(_, line)| line.len()) {
            line.pop_back();
        }
        self.0.retain(|(_, line)| !line.is_empty());
    }

    /// Forgets those who have given up.
    fn prune(&mut self) {
        for (_, line) in &mut self.0 {
            line.retain(|sender| !sender.is_closed());
        }
        self.0.retain(|(_, line)| !line.is_empty());
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::net::Ipv4Addr;
    use std::pin::Pin;

    use futures_util::FutureExt as _;
    use futures_util::future::{BoxFuture, poll_immediate};

    use super::*;
    use crate::auth::client::Client;

    type Waiting = Pin<Box<dyn Future<Output = Result<Turn, Full>> + Send>>;

    fn client(number: usize) -> Site {
        let [.., a, b] = (number as u32).to_be_bytes();
        Client::of(Ipv4Addr::new(192, 0, a, b).into()).site()
    }

    /// Waits in the queue from now on.
    async fn waiting(queue: &Arc<FairQueue>, number: usize, record: Record) -> Waiting {
        let queue = Arc::clone(queue);
        let mut waiting: BoxFuture<'static, _> =
            Box::pin(async move { queue.turn(client(number), record).await });
        assert!(poll_immediate(&mut waiting).await.is_none(), "{number}");
        waiting
    }

    #[tokio::test]
    async fn addresses_take_turns() {
        let queue = FairQueue::new(1, 1);
        let first = queue.turn(client(0), Record::Clean).await.unwrap();
        let mut many = Vec::new();
        for _ in 0..MAX_WAITING {
            many.push(waiting(&queue, 0, Record::Clean).await);
        }
        let one_more = queue.turn(client(0), Record::Clean).await;
        assert_eq!(one_more.map(drop), Err(Full));
        // There is room for others all the same, and they come next but one at the latest.
        let other = waiting(&queue, 1, Record::Clean).await;
        let third = waiting(&queue, 2, Record::Clean).await;
        assert_eq!(many.pop().unwrap().await.map(drop), Err(Full));
        assert_eq!(many.pop().unwrap().await.map(drop), Err(Full));
        drop(first);
        let own = many.remove(0).now_or_never().unwrap().unwrap();
        drop(own);
        let other = other.now_or_never().unwrap().unwrap();
        drop(other);
        third.now_or_never().unwrap().unwrap();
    }

    #[tokio::test]
    async fn the_failing_come_last() {
        let queue = FairQueue::new(1, 1);
        let first = queue.turn(client(0), Record::Failing).await.unwrap();
        let mut failing = Vec::new();
        for number in 0..MAX_WAITING {
            failing.push(waiting(&queue, number, Record::Failing).await);
        }
        let other = waiting(&queue, 500, Record::Clean).await;
        let full = queue.turn(client(501), Record::Failing).await;
        assert_eq!(full.map(drop), Err(Full));
        drop(first);
        other.now_or_never().unwrap().unwrap();
        // What was given up takes no place.
        drop(failing);
        for number in 0..MAX_WAITING {
            let _ = queue.turn(client(number), Record::Failing).now_or_never();
        }
        assert!(
            queue
                .turn(client(0), Record::Clean)
                .now_or_never()
                .is_some()
        );
    }

    #[tokio::test]
    async fn an_address_has_a_part_of_the_slots() {
        let queue = FairQueue::new(3, 2);
        let one = queue.turn(client(0), Record::Clean).await.unwrap();
        let _two = queue.turn(client(0), Record::Clean).await.unwrap();
        let three = waiting(&queue, 0, Record::Clean).await;
        let other = queue.turn(client(1), Record::Clean).now_or_never();
        let other = other.unwrap().unwrap();
        let four = waiting(&queue, 1, Record::Clean).await;
        drop(other);
        four.now_or_never().unwrap().unwrap();
        drop(one);
        three.now_or_never().unwrap().unwrap();
        assert_eq!(queue.lock().total, 1);
    }
}
