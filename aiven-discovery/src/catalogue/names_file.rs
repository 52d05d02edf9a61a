//! The old sidecar's list: one service name a line.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use prom_model::label::LabelSet;

use super::file::ListingFile;
use super::{Catalogue, CatalogueError, Listing};

/// A file with the name of one Aiven service a line. Empty lines and white space around names don't
/// count.
#[derive(Debug)]
pub struct NamesFile(ListingFile);

impl NamesFile {
    /// Nothing is read until the catalogue is asked.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(ListingFile::new(path.into()))
    }
}

#[async_trait]
impl Catalogue for NamesFile {
    async fn list(&self) -> Result<Listing, CatalogueError> {
        self.0.list(parse).await
    }
}

fn parse(path: &Path, text: &str) -> Result<Listing, CatalogueError> {
    let mut services = std::collections::BTreeMap::new();
    for (at, line) in text.lines().enumerate() {
        let name = line.trim();
        if name.contains(char::is_whitespace) {
            let indent = line.len() - line.trim_start().len();
            let space = name.find(char::is_whitespace).unwrap_or_default();
            return Err(CatalogueError::Content {
                path: path.display().to_string(),
                line: at + 1,
                column: indent + space + 1,
                problem: "white space inside a service name, expected one name a line".to_owned(),
            });
        }
        if !name.is_empty() {
            services.insert(name.to_owned(), LabelSet::new());
        }
    }
    Ok(Listing::Services(Arc::new(services)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_a_line() {
        let f = |text: &str, want: &[&str]| match parse(Path::new("f"), text) {
            Ok(Listing::Services(services)) => {
                assert_eq!(services.keys().collect::<Vec<_>>(), want, "{text:?}");
            }
            other => panic!("{text:?}: {other:?}"),
        };
        f("", &[]);
        f("b\na\n", &["a", "b"]);
        f(" a \r\n\n\tb\na", &["a", "b"]);
    }

    #[test]
    fn two_names_on_a_line_are_an_error() {
        let error = parse(Path::new("names"), "a\n b c\n").expect_err("two names");
        assert_eq!(
            error.to_string(),
            "names:2:3: white space inside a service name, expected one name a line"
        );
    }
}
