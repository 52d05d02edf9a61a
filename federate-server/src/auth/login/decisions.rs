//! What a login decided, and when to ask it again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prom_model::secret::Secret;
use tokio::sync::watch;
use tokio::time::{Duration, Instant, timeout};
use tracing::{info, warn};

use super::lockout::{Allowed, Attempt, Lockout};
use super::{GOES_ON, GOES_ON_LOCKED, Login, LoginError, REFUSED};
use crate::auth::AuthError;
use crate::auth::credentials::Credentials;
use crate::auth::metrics::LoginOutcome;
use crate::auth::queue::FairQueue;
use crate::auth::recent::Recent;
use crate::auth::requester::Requester;
use crate::auth::throttle::{CredentialsTag, Record, UserTag};
use crate::tenant::{Scope, Tenant, Views};

/// How long the login may take.
const DEADLINE: Duration = Duration::from_secs(15);

/// How long one may wait for its turn.
const TURN: Duration = Duration::from_secs(10);

/// How long a request waits for a renewal before it goes on with what was granted before. A scrape has ten seconds.
const RENEWAL: Duration = Duration::from_secs(3);

/// When a renewal that came to nothing is tried again.
const RETRY: Duration = Duration::from_secs(30);

/// What is told to those who have to come again.
const COME_AGAIN: Duration = Duration::from_secs(10);

/// Logins under way at one time with passwords that nothing is known of; how many of them from one address. Those with
/// passwords that were right before have as many, and wait for none of these.
const LOGINS: usize = 8;
const LOGINS_OF_ADDRESS: usize = 4;

/// Grants and refusals that are remembered at least.
const GRANTED: usize = 4096;
const REMEMBERED_REFUSALS: usize = 1024;

/// A login, with what it decided lately.
#[derive(Debug)]
pub(in crate::auth) struct Decisions {
    login: Arc<dyn Login>,
    lockout: Arc<Lockout>,
    state: Mutex<State>,
    logins: Arc<FairQueue>,
    renewals: Arc<FairQueue>,
}

#[derive(Debug, Default)]
struct State {
    granted: Recent<CredentialsTag, Grant, GRANTED>,
    /// What users saw last, whichever password they gave.
    scopes: Recent<UserTag, Scope, GRANTED>,
    /// Theirs.
    views: Views,
    /// Until when a password isn't sent again.
    refused: Recent<CredentialsTag, Instant, REMEMBERED_REFUSALS>,
    /// Until when a password of which no answer says whether it is right isn't sent again.
    unanswered: Recent<CredentialsTag, Instant, REMEMBERED_REFUSALS>,
    under_way: HashMap<CredentialsTag, watch::Receiver<Option<Outcome>>>,
    outage: Outage,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Outage {
    #[default]
    None,
    Told,
}

#[derive(Debug)]
struct Grant {
    scope: Scope,
    renew_at: Instant,
    good_until: Instant,
    /// The same while the account is locked.
    good_while_locked: Instant,
    /// How the last renewal went.
    renewal: Renewal,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Renewal {
    Done,
    CameToNothing,
}

#[derive(Debug, Clone)]
enum Outcome {
    Granted(Scope),
    Refused,
    Locked(Duration),
    TooManyFailures(Duration),
    Busy,
    Unavailable,
}

/// What a request is to do.
enum Next {
    Go(Scope),
    /// Wait for the login that is under way.
    Wait(watch::Receiver<Option<Outcome>>),
    /// Wait so long, then go on.
    WaitOrGo(watch::Receiver<Option<Outcome>>, Duration, Scope),
}

/// A login for which others wait already.
type Begun = (Order, watch::Sender<Option<Outcome>>);

/// A login that is to be made.
struct Order {
    user: String,
    password: Secret,
    attempt: Attempt,
    allowed: Allowed,
    requester: Requester,
}

impl Decisions {
    pub(in crate::auth) fn new(login: Arc<dyn Login>, lockout: Arc<Lockout>) -> Self {
        Self {
            login,
            lockout,
            state: Mutex::default(),
            logins: FairQueue::new(LOGINS, LOGINS_OF_ADDRESS),
            renewals: FairQueue::new(LOGINS, LOGINS),
        }
    }

    pub(in crate::auth) fn is_of(&self, login: &Arc<dyn Login>) -> bool {
        Arc::ptr_eq(&self.login, login)
    }

    /// What the user may see. `requester` tells users apart as the login does.
    ///
    /// # Errors
    /// As [`AuthError`] says.
    pub(in crate::auth) async fn decide(
        self: &Arc<Self>,
        credentials: &Credentials,
        requester: &Requester,
    ) -> Result<Scope, AuthError> {
        let (next, order) = self.next(credentials, requester)?;
        if let Some((order, sender)) = order {
            self.begin(order, sender);
        }
        match next {
            Next::Go(scope) => Ok(scope),
            Next::Wait(outcome) => outcome_of(outcome).await.into_scope(None),
            Next::WaitOrGo(outcome, patience, scope) => {
                match timeout(patience, outcome_of(outcome)).await {
                    Ok(outcome) => outcome.into_scope(Some(scope)),
                    Err(_) => Ok(scope),
                }
            }
        }
    }

    /// What to do, and the login that has to be begun for it.
    fn next(
        &self,
        credentials: &Credentials,
        requester: &Requester,
    ) -> Result<(Next, Option<Begun>), AuthError> {
        let (now, tag, account) = (Instant::now(), requester.credentials, requester.user);
        let mut state = self.state();
        let state = &mut *state;
        let begin = |state: &mut State, attempt, allowed| {
            let order = Order {
                user: credentials.user.trim().to_owned(),
                password: credentials.password.clone(),
                attempt,
                allowed,
                requester: requester.clone(),
            };
            let (sender, receiver) = watch::channel(None);
            state.under_way.insert(tag, receiver.clone());
            (receiver, Some((order, sender)))
        };
        let under_way = state.under_way.get(&tag).cloned();
        if let Some(grant) = state.granted.get(&tag) {
            requester.admit_right()?;
            let usable = (now < grant.good_until).then(|| grant.scope.clone());
            // Used, hence kept as long as the grant.
            state.scopes.get(&account);
            if now < grant.renew_at {
                let retry_after = grant.renew_at - now;
                let unavailable = AuthError::Unavailable { retry_after };
                let go = |scope| (Next::Go(scope), None);
                return usable.map(go).ok_or(unavailable);
            }
            let is_known_outage =
                grant.renewal == Renewal::CameToNothing && now < grant.renew_at + RETRY;
            let patience = if is_known_outage {
                Duration::ZERO
            } else {
                RENEWAL
            };
            let (outcome, order) = match under_way {
                Some(outcome) => (outcome, None),
                None => match self.lockout.allow(account, Attempt::Renewed) {
                    Ok(allowed) => begin(state, Attempt::Renewed, allowed),
                    Err(retry_after) => {
                        let usable = usable.filter(|_| now < grant.good_while_locked);
                        let go = |scope| (Next::Go(scope), None);
                        return usable
                            .map(go)
                            .ok_or(AuthError::TooManyFailures { retry_after });
                    }
                },
            };
            let next = match usable {
                Some(scope) => Next::WaitOrGo(outcome, patience, scope),
                None => Next::Wait(outcome),
            };
            return Ok((next, order));
        }
        let attempt = match state.refused.get(&tag) {
            Some(until) if now < *until => return Err(AuthError::Unauthorized),
            Some(_) => Attempt::Repeated,
            None if state.unanswered.get(&tag).is_some() => Attempt::Unanswered,
            None => {
                requester.admit()?;
                Attempt::New(requester.client)
            }
        };
        if let Some(outcome) = under_way {
            return Ok((Next::Wait(outcome), None));
        }
        if let (Attempt::Unanswered, Some(until)) = (attempt, state.unanswered.get(&tag))
            && now < *until
        {
            let retry_after = *until - now;
            return Err(AuthError::Unavailable { retry_after });
        }
        match (self.lockout.allow(account, attempt), attempt) {
            (Ok(allowed), _) => {
                let (outcome, order) = begin(state, attempt, allowed);
                Ok((Next::Wait(outcome), order))
            }
            (Err(_), Attempt::Repeated) => Err(AuthError::Unauthorized),
            (Err(retry_after), _) => Err(AuthError::TooManyFailures { retry_after }),
        }
    }

    /// Begins a login, which goes on to its end whoever waits for it.
    ///
    /// The state may not be locked: a runtime that closes drops the task at once, which then takes itself out of it.
    fn begin(self: &Arc<Self>, order: Order, sender: watch::Sender<Option<Outcome>>) {
        let under_way = UnderWay {
            decisions: Arc::clone(self),
            credentials: order.requester.credentials,
        };
        let decisions = Arc::clone(self);
        tokio::spawn(async move {
            let under_way = under_way;
            let outcome = decisions.ask(order).await;
            sender.send_replace(Some(outcome));
            drop(under_way);
        });
    }

    async fn ask(&self, order: Order) -> Outcome {
        let (queue, record) = match order.attempt {
            Attempt::Renewed => (&self.renewals, Ok(Record::Clean)),
            Attempt::Repeated => (&self.logins, Ok(Record::Failing)),
            Attempt::Unanswered => (&self.logins, Ok(Record::Clean)),
            Attempt::New(_) => (&self.logins, order.requester.admit()),
        };
        let record = match record {
            Ok(record) => record,
            Err(error) => return error.into(),
        };
        let turn = timeout(TURN, queue.turn(order.requester.client.site(), record)).await;
        let Ok(Ok(_turn)) = turn else {
            self.postpone(&order.requester.credentials, RETRY);
            return Outcome::Busy;
        };
        if let (Attempt::New(_), Err(error)) = (order.attempt, order.requester.admit()) {
            return error.into();
        }
        let login = self.login.login(&order.user, &order.password);
        let result = match timeout(DEADLINE, login).await {
            Ok(result) => result,
            Err(_) => {
                let reason = format!("no answer within {} s", DEADLINE.as_secs());
                Err(LoginError::Unavailable(reason.into()))
            }
        };
        self.record(order, result)
    }

    fn record(&self, order: Order, result: Result<Tenant, LoginError>) -> Outcome {
        let Order {
            attempt,
            allowed,
            requester,
            ..
        } = order;
        let tag = requester.credentials;
        let now = Instant::now();
        let outcome = match &result {
            Ok(_) => LoginOutcome::Granted,
            Err(LoginError::Refused) => LoginOutcome::Refused,
            Err(LoginError::TooManyAttempts { .. }) => LoginOutcome::TooManyAttempts,
            Err(LoginError::Unavailable(_)) => LoginOutcome::Unavailable,
        };
        requester.metrics.login(outcome);
        match result {
            Ok(tenant) => {
                allowed.succeeded();
                requester.passed();
                let fresh = self.login.fresh();
                let mut state = self.state();
                state.answered();
                state.refused.remove(&tag);
                state.unanswered.remove(&tag);
                let State { scopes, views, .. } = &mut *state;
                let former = scopes.get(&requester.user);
                let scope = Scope::succeeding(former.as_deref(), tenant, views);
                state.scopes.insert(requester.user, scope.clone());
                let grant = Grant {
                    scope: scope.clone(),
                    renew_at: now + fresh,
                    good_until: now + fresh.max(GOES_ON),
                    good_while_locked: now + fresh + GOES_ON_LOCKED,
                    renewal: Renewal::Done,
                };
                state.granted.insert(tag, grant);
                Outcome::Granted(scope)
            }
            Err(LoginError::Refused) => {
                allowed.failed();
                if let Attempt::New(_) | Attempt::Unanswered = attempt {
                    requester.failed(1);
                }
                let mut state = self.state();
                state.answered();
                state.granted.remove(&tag);
                state.unanswered.remove(&tag);
                state.refused.insert(tag, now + REFUSED);
                Outcome::Refused
            }
            Err(LoginError::TooManyAttempts { retry_after }) => {
                let locked = allowed.locked(retry_after);
                self.postpone(&tag, locked);
                if let Some(grant) = self.state().granted.get(&tag) {
                    grant.good_until = grant.good_until.min(grant.good_while_locked);
                }
                Outcome::Locked(locked)
            }
            Err(LoginError::Unavailable(error)) => {
                // A guess may have been counted where it was answered, so it counts here as well.
                if let Attempt::New(_) = attempt {
                    allowed.failed();
                    requester.failed(1);
                }
                self.postpone(&tag, RETRY);
                let mut state = self.state();
                if let Attempt::New(_) | Attempt::Unanswered = attempt {
                    state.unanswered.insert(tag, Instant::now() + COME_AGAIN);
                }
                state.unavailable(&*error);
                Outcome::Unavailable
            }
        }
    }

    /// Renews what was granted later: it was tried in vain.
    fn postpone(&self, tag: &CredentialsTag, wait: Duration) {
        if let Some(grant) = self.state().granted.get(tag) {
            grant.renew_at = Instant::now() + wait;
            grant.renewal = Renewal::CameToNothing;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn answered(&mut self) {
        if self.outage == Outage::Told {
            self.outage = Outage::None;
            info!("the login is available again");
        }
    }

    fn unavailable(&mut self, error: &(dyn std::error::Error + 'static)) {
        if self.outage == Outage::None {
            self.outage = Outage::Told;
            let reason = error.source().map(ToString::to_string);
            warn!(%error, reason, "the login is unavailable, users go on for an hour with what they were granted");
        }
    }
}

/// A login under way, also where it panics.
#[derive(Debug)]
struct UnderWay {
    decisions: Arc<Decisions>,
    credentials: CredentialsTag,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.decisions.state().under_way.remove(&self.credentials);
    }
}

async fn outcome_of(mut outcome: watch::Receiver<Option<Outcome>>) -> Outcome {
    let outcome = outcome.wait_for(Option::is_some).await;
    let outcome = outcome.ok().and_then(|outcome| outcome.clone());
    outcome.unwrap_or(Outcome::Unavailable)
}

impl Outcome {
    /// What this lets a request see that may go on with `old`.
    fn into_scope(self, old: Option<Scope>) -> Result<Scope, AuthError> {
        let error = match self {
            Self::Granted(scope) => return Ok(scope),
            Self::Refused => return Err(AuthError::Unauthorized),
            Self::Locked(retry_after) | Self::TooManyFailures(retry_after) => {
                AuthError::TooManyFailures { retry_after }
            }
            Self::Busy => AuthError::Busy,
            Self::Unavailable => AuthError::Unavailable {
                retry_after: COME_AGAIN,
            },
        };
        old.ok_or(error)
    }
}

impl From<AuthError> for Outcome {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::Unauthorized => Self::Refused,
            AuthError::Busy => Self::Busy,
            AuthError::TooManyFailures { retry_after } => Self::TooManyFailures(retry_after),
            AuthError::Unavailable { .. } => Self::Unavailable,
        }
    }
}
