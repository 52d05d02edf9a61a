//! Who wants a password checked, and whose budget of failures that takes from.

use std::sync::Arc;

use super::AuthError;
use super::client::Client;
use super::metrics::AuthMetrics;
use super::throttle::{CredentialsTag, Record, Throttle, UserTag};

/// An address that asks for a user's password to be checked.
#[derive(Debug, Clone)]
pub(super) struct Requester {
    pub(super) client: Client,
    pub(super) user: UserTag,
    /// Which password of the user is asked about.
    pub(super) credentials: CredentialsTag,
    pub(super) throttle: Arc<Throttle>,
    pub(super) metrics: Arc<AuthMetrics>,
}

impl Requester {
    /// Whether a password that nothing is known of may be checked.
    pub(super) fn admit(&self) -> Result<Record, AuthError> {
        let admitted = self.throttle.admit(self.client, self.user);
        admitted.map_err(|retry_after| AuthError::TooManyFailures { retry_after })
    }

    /// Whether a password may pass that is remembered as right. Where it isn't familiar, a guess is what it may be.
    pub(super) fn admit_right(&self) -> Result<(), AuthError> {
        if !self.throttle.is_familiar(self.client, self.credentials) {
            self.admit()?;
            self.passed();
        }
        Ok(())
    }

    pub(super) fn pass_remembered(&self, verdict: bool) -> Result<bool, AuthError> {
        if verdict {
            self.admit_right()?;
        }
        Ok(verdict)
    }

    /// The password is right.
    pub(super) fn passed(&self) {
        self.throttle.passed(self.client, self.credentials);
    }

    /// It is wrong, and so many checks were needed to tell.
    pub(super) fn failed(&self, checks: u32) {
        self.throttle.failed(self.client, self.user, checks);
    }
}
