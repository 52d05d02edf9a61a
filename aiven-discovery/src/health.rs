//! Whether something repeated works, so that a log tells changes instead of repeats.

use std::error::Error;

use crate::api::{ApiError, with_causes};

#[derive(Debug, Clone, Default)]
pub(crate) struct Health {
    error: Option<String>,
    /// A failure since it last worked needs an operator.
    lasting: bool,
}

impl Health {
    /// Why it fails; `None` where it works or was never tried.
    pub(crate) fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }

    /// It worked; whether it failed before.
    pub(crate) fn succeeded(&mut self) -> bool {
        self.lasting = false;
        self.error.take().is_some()
    }

    /// It failed; whether it worked before.
    pub(crate) fn failed(&mut self, error: &dyn Error) -> bool {
        self.error.replace(with_causes(error)).is_none()
    }

    /// A call failed; whether the API worked before, or what now needs an operator might have passed by itself before:
    /// a token that expires in an outage.
    pub(crate) fn call_failed(&mut self, error: &ApiError) -> bool {
        let lasting = self.lasting || !error.is_transient();
        let worse = lasting && !std::mem::replace(&mut self.lasting, lasting);
        self.failed(error) || worse
    }
}
