//! Upper and lower case by Unicode's simple mappings: one character for one, whatever is around it.
//!
//! That is what Go's `strings.ToUpper` and `ToLower` do. Rust's `str` methods use the full
//! mappings, where `ß` becomes `SS` and the last `Σ` of a word `ς`.

/// `text` in lower case.
pub(super) fn lower(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            // The one character whose full mapping is longer.
            'İ' => 'i',
            _ => only(c.to_lowercase()).unwrap_or(c),
        })
        .collect()
}

/// `text` in upper case.
pub(super) fn upper(text: &str) -> String {
    text.chars()
        .map(|c| only(c.to_uppercase()).unwrap_or_else(|| upper_of_longer(c)))
        .collect()
}

fn only(mut chars: impl Iterator<Item = char>) -> Option<char> {
    match (chars.next(), chars.next()) {
        (only, None) => only,
        _ => None,
    }
}

/// The simple mapping of a character whose full mapping is longer: itself, but for the Greek
/// vowels with iota subscript, which have titlecase letters of their own.
fn upper_of_longer(c: char) -> char {
    let offset = match c {
        '\u{1f80}'..='\u{1faf}' if u32::from(c) & 8 == 0 => 8,
        '\u{1fb3}' | '\u{1fc3}' | '\u{1ff3}' => 9,
        _ => 0,
    };
    char::from_u32(u32::from(c) + offset).unwrap_or(c)
}
