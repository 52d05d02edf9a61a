//! Passwords that are checked against what the configuration says.

use std::sync::{Arc, Mutex, PoisonError};

use prom_model::secret::Secret;

use super::AuthError;
use super::client::Client;
use super::credentials::Credentials;
use super::keyed::Keyed;
use super::metrics::AuthMetrics;
use super::queue::{FairQueue, Turn};
use super::recent::Recent;
use super::throttle::{Standing, Throttle, UserTag};
use super::users::Check;

/// Right passwords that are remembered at least: every user of a large platform.
const RIGHT: usize = 4096;

/// Wrong ones.
const WRONG: usize = 512;

/// The key of a verdict: a keyed hash of user, stored hash and password.
type Entry = [u8; 32];

/// Checks passwords, and remembers the verdicts.
#[derive(Debug)]
pub(super) struct Passwords {
    verdicts: Mutex<Verdicts>,
    queue: Arc<FairQueue>,
}

/// Right and wrong passwords are kept apart, so that guessing doesn't push out those who know theirs.
#[derive(Debug, Default)]
struct Verdicts {
    right: Recent<Entry, (), RIGHT>,
    wrong: Recent<Entry, (), WRONG>,
}

/// Who asks for a check, and who pays for it.
#[derive(Debug, Clone)]
pub(super) struct Payer {
    pub(super) client: Client,
    pub(super) user: UserTag,
    pub(super) throttle: Arc<Throttle>,
    pub(super) metrics: Arc<AuthMetrics>,
}

impl Payer {
    /// Whether a password that nothing is known of may be checked.
    pub(super) fn admit(&self) -> Result<Standing, AuthError> {
        let admitted = self.throttle.admit(self.client, self.user);
        admitted.map_err(|retry_after| AuthError::TooManyFailures { retry_after })
    }
}

/// A check whose outcome isn't known.
struct Open {
    entry: Entry,
    hash: Secret,
}

impl Passwords {
    pub(super) fn new() -> Self {
        Self {
            verdicts: Mutex::default(),
            // One at a time: it is processor time that it takes.
            queue: FairQueue::new(1, 1),
        }
    }

    /// Whether one of `checks` passes.
    ///
    /// # Errors
    /// [`AuthError::TooManyFailures`], [`AuthError::Busy`].
    pub(super) async fn pass(
        self: &Arc<Self>,
        credentials: &Credentials,
        checks: &[Check],
        keyed: &Keyed,
        payer: &Payer,
    ) -> Result<bool, AuthError> {
        let mut known = self.look_up(credentials, checks, keyed);
        if known.right || known.open.is_empty() && known.plain.is_empty() {
            return Ok(known.right);
        }
        let standing = payer.admit()?;
        if known.open.is_empty() {
            return Ok(self.settle(known.plain, 0, payer));
        }
        let turn = self.queue.turn(payer.client, standing).await;
        let turn = turn.map_err(|_| AuthError::Busy)?;
        // Those before may have asked the same, or have spent what there was.
        known = self.look_up(credentials, checks, keyed);
        if known.right || known.open.is_empty() && known.plain.is_empty() {
            return Ok(known.right);
        }
        payer.admit()?;
        let password = credentials.password.clone();
        let (passwords, payer) = (Arc::clone(self), payer.clone());
        // The task owns the turn, and keeps the verdicts itself: a client that hangs up neither starts a second check
        // beside this one, nor makes its work be lost, nor saves what a wrong password costs it.
        let checked = tokio::task::spawn_blocking(move || {
            let _turn: Turn = turn;
            let mut verdicts = known.plain;
            let checks = known.open.len();
            // Every check is made, so that the answer's time doesn't tell which one passed.
            verdicts.extend(known.open.into_iter().map(|open| {
                let verdict = bcrypt::verify(password.expose(), open.hash.expose());
                let verdict = verdict.unwrap_or(false);
                payer.metrics.check(verdict);
                (open.entry, verdict)
            }));
            passwords.settle(verdicts, checks, &payer)
        });
        checked.await.map_err(|_| AuthError::Busy)
    }

    /// Keeps `verdicts`, for which so many `checks` were made; whether one is right.
    fn settle(&self, verdicts: Vec<(Entry, bool)>, checks: usize, payer: &Payer) -> bool {
        let right = verdicts.iter().any(|(_, verdict)| *verdict);
        if !right {
            let checks = u32::try_from(checks).unwrap_or(u32::MAX);
            let (client, user) = (payer.client, payer.user);
            payer.throttle.failed(client, user, checks.max(1));
        }
        let mut kept = self.verdicts.lock().unwrap_or_else(PoisonError::into_inner);
        for (entry, verdict) in verdicts {
            if verdict {
                kept.right.insert(entry, ());
            } else {
                kept.wrong.insert(entry, ());
            }
        }
        right
    }

    fn look_up(&self, credentials: &Credentials, checks: &[Check], keyed: &Keyed) -> Known {
        let mut known = Known::default();
        let (user, password) = (credentials.user.as_bytes(), credentials.password.expose());
        let mut kept = self.verdicts.lock().unwrap_or_else(PoisonError::into_inner);
        for check in checks {
            let stored = check.stored();
            let entry = keyed.digest(&[user, stored.as_bytes(), password.as_bytes()]);
            if kept.right.get(&entry).is_some() {
                known.right = true;
            } else if kept.wrong.get(&entry).is_some() {
            } else if let Check::Bcrypt(hash) = check {
                let hash = hash.clone();
                known.open.push(Open { entry, hash });
            } else {
                let verdict = matches!(check, Check::Plain(_))
                    && keyed.is_same(stored.as_bytes(), password.as_bytes());
                known.plain.push((entry, verdict));
            }
        }
        known
    }
}

/// What is known of the checks of a user before any is made.
#[derive(Default)]
struct Known {
    /// One has been passed before.
    right: bool,
    /// Those of plain passwords that weren't made before.
    plain: Vec<(Entry, bool)>,
    /// Those that take time.
    open: Vec<Open>,
}
