//! Passwords that are checked against what the configuration says.

use std::sync::{Arc, Mutex, PoisonError};

use prom_model::secret::Secret;

use super::AuthError;
use super::credentials::Credentials;
use super::keyed::Keyed;
use super::queue::{FairQueue, Turn};
use super::recent::Recent;
use super::requester::Requester;
use super::users::Check;

/// Right passwords that are remembered at least: every user of a large platform.
const RIGHT: usize = 4096;

/// Wrong ones.
const WRONG: usize = 512;

/// The key of a verdict: a keyed hash of user, stored hash and password.
type VerdictKey = [u8; 32];

/// Checks passwords, and remembers the verdicts.
#[derive(Debug)]
pub(super) struct Passwords {
    verdicts: Mutex<Verdicts>,
    queue: Arc<FairQueue>,
}

/// Right and wrong passwords are kept apart, so that guessing doesn't push out those who know theirs.
#[derive(Debug, Default)]
struct Verdicts {
    right: Recent<VerdictKey, (), RIGHT>,
    wrong: Recent<VerdictKey, (), WRONG>,
}

/// A check whose outcome isn't known.
struct Open {
    key: VerdictKey,
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
        requester: &Requester,
    ) -> Result<bool, AuthError> {
        let mut known = self.look_up(credentials, checks, keyed);
        if let Some(verdict) = known.verdict() {
            return requester.pass_remembered(verdict);
        }
        let record = requester.admit()?;
        if known.open.is_empty() {
            return Ok(self.settle(known.plain, 0, requester));
        }
        let turn = self.queue.turn(requester.client.site(), record).await;
        let turn = turn.map_err(|_| AuthError::Busy)?;
        // Those before may have asked the same, or have spent what there was.
        known = self.look_up(credentials, checks, keyed);
        if let Some(verdict) = known.verdict() {
            return requester.pass_remembered(verdict);
        }
        requester.admit()?;
        let password = credentials.password.clone();
        let (passwords, requester) = (Arc::clone(self), requester.clone());
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
                requester.metrics.check(verdict);
                (open.key, verdict)
            }));
            passwords.settle(verdicts, checks, &requester)
        });
        checked.await.map_err(|_| AuthError::Busy)
    }

    /// Keeps `verdicts`, for which so many `checks` were made; whether one is right.
    fn settle(
        &self,
        verdicts: Vec<(VerdictKey, bool)>,
        checks: usize,
        requester: &Requester,
    ) -> bool {
        let right = verdicts.iter().any(|(_, verdict)| *verdict);
        if right {
            requester.passed();
        } else {
            let checks = u32::try_from(checks).unwrap_or(u32::MAX);
            requester.failed(checks.max(1));
        }
        let mut kept = self.verdicts.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, verdict) in verdicts {
            if verdict {
                kept.right.insert(key, ());
            } else {
                kept.wrong.insert(key, ());
            }
        }
        right
    }

    fn look_up(&self, credentials: &Credentials, checks: &[Check], keyed: &Keyed) -> Known {
        let mut known = Known::default();
        let (user, password) = (credentials.user.as_bytes(), credentials.password.expose());
        for check in checks {
            let stored = check.stored().as_bytes();
            let key = keyed.digest(&[user, stored, password.as_bytes()]);
            match (self.remembered(&key), check) {
                (Some(verdict), _) => known.right |= verdict,
                (None, Check::Bcrypt(hash)) => {
                    let hash = hash.clone();
                    known.open.push(Open { key, hash });
                }
                (None, Check::Plain(_)) => {
                    let verdict = keyed.is_same(stored, password.as_bytes());
                    known.plain.push((key, verdict));
                }
                (None, Check::Never) => {
                    keyed.is_same(stored, password.as_bytes());
                    known.plain.push((key, false));
                }
            }
        }
        known
    }

    fn remembered(&self, key: &VerdictKey) -> Option<bool> {
        let mut kept = self.verdicts.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.right.get(key).is_some() {
            return Some(true);
        }
        kept.wrong.get(key).map(|()| false)
    }
}

impl Known {
    /// Whether the password passes, where that is known.
    fn verdict(&self) -> Option<bool> {
        let is_open = !self.open.is_empty() || !self.plain.is_empty();
        (self.right || !is_open).then_some(self.right)
    }
}

/// What is known of the checks of a user before any is made.
#[derive(Default)]
struct Known {
    /// One has been passed before.
    right: bool,
    /// Those of plain passwords that weren't made before.
    plain: Vec<(VerdictKey, bool)>,
    /// Those that take time.
    open: Vec<Open>,
}
