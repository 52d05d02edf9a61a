//! How nodes are reached: the endpoint's credentials, and the project's CA.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use prom_model::target::{Access, BasicAuth, ServerIdentity};
use tokio::sync::Notify;

/// What the services of a project have in common.
#[derive(Debug, Default)]
pub(crate) struct ProjectAccess {
    basic_auth: ArcSwapOption<BasicAuth>,
    /// A node refused the credentials that are current.
    pub(crate) rejected: Notify,
}

impl ProjectAccess {
    /// Replaces the credentials; whether they are other ones.
    pub(crate) fn set_basic_auth(&self, basic_auth: Option<BasicAuth>) -> bool {
        let changed = self.basic_auth.load().as_deref() != basic_auth.as_ref();
        if changed {
            self.basic_auth.store(basic_auth.map(Arc::new));
        }
        changed
    }

    /// Whether there are credentials.
    pub(crate) fn has_basic_auth(&self) -> bool {
        self.basic_auth.load().is_some()
    }

    /// Uses the credentials of `other`.
    pub(crate) fn take_over(&self, other: &Self) {
        self.basic_auth.store(other.basic_auth.load_full());
    }

    fn is_current(&self, used: &BasicAuth) -> bool {
        self.basic_auth.load().as_deref() == Some(used)
    }
}

/// [`Access`] to the nodes of one service; stays the same object while the service stays.
pub(crate) struct ServiceAccess {
    project: Arc<ProjectAccess>,
    identity: ArcSwapOption<ServerIdentity>,
}

impl ServiceAccess {
    pub(crate) fn new(project: &Arc<ProjectAccess>) -> Self {
        Self {
            project: Arc::clone(project),
            identity: ArcSwapOption::empty(),
        }
    }

    /// Expects certificates of `ca_pem` for `host`.
    pub(crate) fn expect(&self, host: &str, ca_pem: &str) {
        let same = self
            .identity
            .load()
            .as_deref()
            .is_some_and(|identity| identity.server_name == host && identity.ca_pem == ca_pem);
        if !same {
            self.identity.store(Some(Arc::new(ServerIdentity {
                server_name: host.to_owned(),
                ca_pem: ca_pem.to_owned(),
            })));
        }
    }
}

impl Access for ServiceAccess {
    fn basic_auth(&self) -> Option<Arc<BasicAuth>> {
        self.project.basic_auth.load_full()
    }

    fn server_identity(&self) -> Option<Arc<ServerIdentity>> {
        self.identity.load_full()
    }

    fn rejected(&self, used: &BasicAuth) {
        if self.project.is_current(used) {
            self.project.rejected.notify_one();
        }
    }
}

impl fmt::Debug for ServiceAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let identity = self.identity.load();
        let server_name = identity.as_deref().map(|identity| &*identity.server_name);
        f.debug_struct("ServiceAccess")
            .field("server_name", &server_name)
            .finish_non_exhaustive()
    }
}
