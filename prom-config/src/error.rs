//! What is wrong with a configuration, and where.

use std::fmt;
use std::path::{Path, PathBuf};

/// A place in a file: lines and columns are counted from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl Position {
    /// The first character of a file.
    pub const START: Self = Self { line: 1, column: 1 };

    /// An error at this place.
    #[must_use]
    pub fn error(self, message: impl fmt::Display) -> ConfigError {
        ConfigError::new(self, message)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// What is wrong with a configuration, and where.
///
/// Displayed as `FILE:LINE:COL: what is wrong, what was expected`; without the file until
/// [`ConfigError::in_file`] has named one. No value of a secret setting is part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    file: Option<PathBuf>,
    position: Position,
    message: Box<str>,
}

impl ConfigError {
    /// An error at `position`. `message` is one lower-case clause.
    #[must_use]
    pub fn new(position: Position, message: impl fmt::Display) -> Self {
        Self {
            file: None,
            position,
            message: message.to_string().into(),
        }
    }

    /// Names the file, unless one is named already.
    #[must_use]
    pub fn in_file(mut self, file: impl AsRef<Path>) -> Self {
        self.file.get_or_insert_with(|| file.as_ref().to_owned());
        self
    }

    /// The file, where it is known.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Where in the file.
    #[must_use]
    pub const fn position(&self) -> Position {
        self.position
    }

    /// What is wrong, without the place.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{}:", file.display())?;
        }
        write!(f, "{}: {}", self.position, self.message)
    }
}

impl std::error::Error for ConfigError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_names_file_line_and_column() {
        let error = Position { line: 3, column: 7 }.error("unknown field \"a\"");
        assert_eq!(error.to_string(), "3:7: unknown field \"a\"");
        let error = error.in_file("etc/a.yml").in_file("b.yml");
        assert_eq!(error.to_string(), "etc/a.yml:3:7: unknown field \"a\"");
    }
}
