//! `check-config FILE`

use std::path::Path;

use crate::config::{self, Environment};

/// What `check-config` says of a file: the lines to print, and whether the file is good.
#[must_use]
pub fn check(path: &Path, environment: Environment<'_>) -> (Vec<String>, bool) {
    match config::load(path, environment) {
        Ok(config) => {
            let warnings = config
                .warnings
                .iter()
                .map(|warning| format!("warning: {warning}"));
            let good = format!("{}: valid", path.display());
            (warnings.chain([good]).collect(), true)
        }
        Err(error) => (vec![error.to_string()], false),
    }
}
