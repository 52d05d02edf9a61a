//! Whether something repeated works, so that a log tells changes instead of repeats.

use std::error::Error;

use crate::api::with_causes;

#[derive(Debug, Clone, Default)]
pub(crate) struct Health {
    error: Option<String>,
}

impl Health {
    /// Why it fails; `None` where it works or was never tried.
    pub(crate) fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }

    /// It worked; whether it failed before.
    pub(crate) fn succeeded(&mut self) -> bool {
        self.error.take().is_some()
    }

    /// It failed; whether it worked before.
    pub(crate) fn failed(&mut self, error: &dyn Error) -> bool {
        self.error.replace(with_causes(error)).is_none()
    }
}
