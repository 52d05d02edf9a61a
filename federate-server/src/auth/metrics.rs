//! What is told of authentication.

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::{AuthError, Principal};

/// Counts of authentication; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct AuthMetrics {
    requests: Family<RequestLabels, Counter>,
    checks: Family<CheckLabels, Counter>,
    logins: Family<LoginLabels, Counter>,
}

impl AuthMetrics {
    /// Registers all of them.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "requests",
            "Requests that needed a user, by who knew the user and by how that went",
            self.requests.clone(),
        );
        registry.register(
            "password_checks",
            "Passwords compared with a hash, which costs processor time, by outcome",
            self.checks.clone(),
        );
        registry.register(
            "logins",
            "Users and passwords sent to the login, by outcome",
            self.logins.clone(),
        );
    }

    pub(super) fn request(&self, authority: Authority, outcome: &Result<Principal, AuthError>) {
        let outcome = match outcome {
            Ok(_) => RequestOutcome::Right,
            Err(AuthError::Unauthorized) => RequestOutcome::Wrong,
            Err(AuthError::Busy) => RequestOutcome::Busy,
            Err(AuthError::TooManyFailures { .. }) => RequestOutcome::TooManyFailures,
            Err(AuthError::Unavailable { .. }) => RequestOutcome::Unavailable,
        };
        let labels = RequestLabels { authority, outcome };
        self.requests.get_or_create(&labels).inc();
    }

    pub(super) fn check(&self, verdict: bool) {
        let outcome = if verdict {
            CheckOutcome::Right
        } else {
            CheckOutcome::Wrong
        };
        self.checks.get_or_create(&CheckLabels { outcome }).inc();
    }

    pub(super) fn login(&self, outcome: LoginOutcome) {
        self.logins.get_or_create(&LoginLabels { outcome }).inc();
    }
}

/// Who knows a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(super) enum Authority {
    /// There were no credentials, or unreadable ones.
    Nobody,
    Unknown,
    Accounts,
    WebConfig,
    Login,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    authority: Authority,
    outcome: RequestOutcome,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
enum RequestOutcome {
    Right,
    Wrong,
    Busy,
    TooManyFailures,
    Unavailable,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CheckLabels {
    outcome: CheckOutcome,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
enum CheckOutcome {
    Right,
    Wrong,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LoginLabels {
    outcome: LoginOutcome,
}

/// How a login went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(super) enum LoginOutcome {
    Granted,
    Refused,
    TooManyAttempts,
    Unavailable,
}
