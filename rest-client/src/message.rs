//! Errors and other people's messages in a form that may be logged.

use std::error::Error;

/// Longest message kept of an answer, in characters.
const MESSAGE_LIMIT: usize = 200;

/// `message` in one line, shortened to 200 characters, without control characters, without user and password of
/// addresses, and with `<secret>` in place of each of `secrets`.
#[must_use]
pub fn presentable(message: &str, secrets: &[&str]) -> String {
    let mut message = message.to_owned();
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        message = message.replace(secret, "<secret>");
    }
    let words = message
        .split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| !word.is_empty())
        .map(without_credentials);
    let mut shown = String::new();
    for word in words {
        if !shown.is_empty() {
            shown.push(' ');
        }
        shown.push_str(&word);
    }
    if let Some((cut, _)) = shown.char_indices().nth(MESSAGE_LIMIT) {
        shown.truncate(cut);
        shown.push('…');
    }
    shown
}

/// `scheme://user:password@host` without user and password.
fn without_credentials(word: &str) -> String {
    let Some((scheme, rest)) = word.split_once("://") else {
        return word.to_owned();
    };
    match rest.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://{host}"),
        None => word.to_owned(),
    }
}

/// An error with its causes, in one line.
#[must_use]
pub fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.ends_with(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::CallError;

    #[test]
    fn a_message_is_one_short_line_without_secrets() {
        let f = |message: &str, want: &str| {
            assert_eq!(presentable(message, &["tok3n", ""]), want, "{message}");
        };
        f("a\nb\u{1b}[31m\tc", "a b [31m c");
        f(
            "see https://avnadmin:p@w@h:1/x now",
            "see https://h:1/x now",
        );
        f("token tok3n is expired", "token <secret> is expired");
        f(&"ä".repeat(1000), &format!("{}…", "ä".repeat(200)));
    }

    #[test]
    fn causes_are_told_once() {
        let error = CallError::Unreachable {
            source: Box::new(std::io::Error::other("refused")),
        };
        assert_eq!(with_causes(&error), "unreachable: refused");
    }
}
