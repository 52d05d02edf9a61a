//! What a login answered lately.

use tokio::time::{Duration, Instant};

use super::{GOES_ON, GOES_ON_LOCKED, REFUSED};
use crate::auth::recent::Recent;
use crate::auth::requester::Requester;
use crate::auth::throttle::{CredentialsTag, UserTag};
use crate::tenant::{Scope, Tenant, Views};

/// When a renewal that came to nothing is tried again.
pub(super) const RETRY: Duration = Duration::from_secs(30);

/// When a password that was never answered is sent again, and what is told to those who have to come again.
pub(super) const COME_AGAIN: Duration = Duration::from_secs(10);

/// Grants that are remembered at least.
const GRANTED: usize = 4096;
/// Refusals that are, and passwords without an answer.
const REMEMBERED_REFUSALS: usize = 1024;

/// Answers by user and password, as long as they matter.
#[derive(Debug, Default)]
pub(super) struct Answers {
    granted: Recent<CredentialsTag, Grant, GRANTED>,
    /// What users saw last, whichever password they gave.
    scopes: Recent<UserTag, Scope, GRANTED>,
    /// Theirs.
    views: Views,
    /// Until when a password isn't sent again.
    refused: Recent<CredentialsTag, Instant, REMEMBERED_REFUSALS>,
    /// Until when a password of which no answer says whether it is right isn't sent again.
    unanswered: Recent<CredentialsTag, Instant, REMEMBERED_REFUSALS>,
}

/// What is known of a password.
#[derive(Debug, Clone, Copy)]
pub(super) enum Known<'a> {
    /// It is right, as far as anybody knows.
    Granted(&'a Grant),
    /// It is wrong; when it may be sent again.
    Refused(Instant),
    /// Nobody knows; when it may be sent again.
    Unanswered(Instant),
    Nothing,
}

/// What the user of a right password may see, and for how long.
#[derive(Debug)]
pub(super) struct Grant {
    scope: Scope,
    pub(super) renew_at: Instant,
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

impl Grant {
    /// What may be seen at `now`.
    pub(super) fn usable(&self, now: Instant) -> Option<Scope> {
        (now < self.good_until).then(|| self.scope.clone())
    }

    /// The same while the account is locked.
    pub(super) fn usable_while_locked(&self, now: Instant) -> Option<Scope> {
        self.usable(now).filter(|_| now < self.good_while_locked)
    }

    /// Whether another renewal will most likely come to nothing, too.
    pub(super) fn is_renewed_in_vain(&self, now: Instant) -> bool {
        self.renewal == Renewal::CameToNothing && now < self.renew_at + RETRY
    }
}

impl Answers {
    /// What is known of the password that `requester` gives, which keeps it known.
    pub(super) fn known(&mut self, requester: &Requester) -> Known<'_> {
        let tag = &requester.credentials;
        if let Some(grant) = self.granted.get(tag) {
            // Used, hence kept as long as the grant.
            self.scopes.get(&requester.user);
            return Known::Granted(grant);
        }
        if let Some(until) = self.refused.get(tag) {
            return Known::Refused(*until);
        }
        let until = self.unanswered.get(tag);
        until.map_or(Known::Nothing, |until| Known::Unanswered(*until))
    }

    /// The password is right, and its user sees what `tenant` does. What it sees is to be asked again after `fresh`.
    pub(super) fn grant(
        &mut self,
        requester: &Requester,
        tenant: Tenant,
        fresh: Duration,
    ) -> Scope {
        let (now, tag) = (Instant::now(), requester.credentials);
        self.refused.remove(&tag);
        self.unanswered.remove(&tag);
        let former = self.scopes.get(&requester.user);
        let scope = Scope::succeeding(former.as_deref(), tenant, &mut self.views);
        self.scopes.insert(requester.user, scope.clone());
        let grant = Grant {
            scope: scope.clone(),
            renew_at: now + fresh,
            good_until: now + fresh.max(GOES_ON),
            good_while_locked: now + fresh + GOES_ON_LOCKED,
            renewal: Renewal::Done,
        };
        self.granted.insert(tag, grant);
        scope
    }

    /// The password is wrong.
    pub(super) fn refuse(&mut self, tag: CredentialsTag) {
        self.granted.remove(&tag);
        self.unanswered.remove(&tag);
        self.refused.insert(tag, Instant::now() + REFUSED);
    }

    /// The password was sent, and there was no answer.
    pub(super) fn leave_unanswered(&mut self, tag: CredentialsTag) {
        self.unanswered.insert(tag, Instant::now() + COME_AGAIN);
    }

    /// Renews what was granted later: it was tried in vain.
    pub(super) fn postpone(&mut self, tag: &CredentialsTag, wait: Duration) {
        if let Some(grant) = self.granted.get(tag) {
            grant.renew_at = Instant::now() + wait;
            grant.renewal = Renewal::CameToNothing;
        }
    }

    /// The same since the account is locked, for so long.
    pub(super) fn lock(&mut self, tag: &CredentialsTag, locked: Duration) {
        self.postpone(tag, locked);
        if let Some(grant) = self.granted.get(tag) {
            grant.good_until = grant.good_until.min(grant.good_while_locked);
        }
    }
}
