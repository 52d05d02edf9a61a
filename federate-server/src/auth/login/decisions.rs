//! What requests get of a login, and when to ask it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prom_model::secret::Secret;
use tokio::sync::watch;
use tokio::time::{Duration, Instant, timeout};
use tracing::{info, warn};

use super::answers::{Answers, COME_AGAIN, Known, RETRY};
use super::lockout::{Allowed, Attempt, Lockout};
use super::{Login, LoginError};
use crate::auth::AuthError;
use crate::auth::credentials::Credentials;
use crate::auth::metrics::LoginOutcome;
use crate::auth::queue::FairQueue;
use crate::auth::requester::Requester;
use crate::auth::throttle::{CredentialsTag, Record};
use crate::tenant::{Scope, Tenant};

/// How long the login may take.
const DEADLINE: Duration = Duration::from_secs(15);

/// How long one may wait for its turn.
const TURN: Duration = Duration::from_secs(10);

/// How long a request waits for a renewal before it goes on with what was granted before. A scrape has ten seconds.
const RENEWAL: Duration = Duration::from_secs(3);

/// Logins under way at one time with passwords that nothing is known of; how many of them from one address. Those with
/// passwords that were right before have as many, and wait for none of these.
const LOGINS: usize = 8;
const LOGINS_OF_ADDRESS: usize = 4;

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
    answers: Answers,
    under_way: HashMap<CredentialsTag, watch::Receiver<Option<Outcome>>>,
    outage: Outage,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Outage {
    #[default]
    None,
    Told,
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
        let (attempt, not_before) = match state.answers.known(requester) {
            Known::Granted(grant) => {
                requester.admit_right()?;
                let usable = grant.usable(now);
                let go = |scope| (Next::Go(scope), None);
                if now < grant.renew_at {
                    let retry_after = grant.renew_at - now;
                    let unavailable = AuthError::Unavailable { retry_after };
                    return usable.map(go).ok_or(unavailable);
                }
                let patience = match grant.is_renewed_in_vain(now) {
                    true => Duration::ZERO,
                    false => RENEWAL,
                };
                let (outcome, order) = match under_way {
                    Some(outcome) => (outcome, None),
                    None => match self.lockout.allow(account, Attempt::Renewed) {
                        Ok(allowed) => begin(state, Attempt::Renewed, allowed),
                        Err(retry_after) => {
                            let locked = AuthError::TooManyFailures { retry_after };
                            return grant.usable_while_locked(now).map(go).ok_or(locked);
                        }
                    },
                };
                let next = match usable {
                    Some(scope) => Next::WaitOrGo(outcome, patience, scope),
                    None => Next::Wait(outcome),
                };
                return Ok((next, order));
            }
            Known::Refused(until) if now < until => return Err(AuthError::Unauthorized),
            Known::Refused(_) => (Attempt::Repeated, now),
            Known::Unanswered(until) => (Attempt::Unanswered, until),
            Known::Nothing => {
                requester.admit()?;
                (Attempt::New(requester.client), now)
            }
        };
        if let Some(outcome) = under_way {
            return Ok((Next::Wait(outcome), None));
        }
        if now < not_before {
            let retry_after = not_before - now;
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
            let tag = &order.requester.credentials;
            self.state().answers.postpone(tag, RETRY);
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
                let scope = state.answers.grant(&requester, tenant, fresh);
                Outcome::Granted(scope)
            }
            Err(LoginError::Refused) => {
                allowed.failed();
                if let Attempt::New(_) | Attempt::Unanswered = attempt {
                    requester.failed(1);
                }
                let mut state = self.state();
                state.answered();
                state.answers.refuse(tag);
                Outcome::Refused
            }
            Err(LoginError::TooManyAttempts { retry_after }) => {
                let locked = allowed.locked(retry_after);
                self.state().answers.lock(&tag, locked);
                Outcome::Locked(locked)
            }
            Err(LoginError::Unavailable(error)) => {
                // A guess may have been counted where it was answered, so it counts here as well.
                if let Attempt::New(_) = attempt {
                    allowed.failed();
                    requester.failed(1);
                }
                let mut state = self.state();
                state.answers.postpone(&tag, RETRY);
                if let Attempt::New(_) | Attempt::Unanswered = attempt {
                    state.answers.leave_unanswered(tag);
                }
                state.unavailable(&*error);
                Outcome::Unavailable
            }
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
