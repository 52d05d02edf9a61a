//! Environment variables in text, as Go's `os.Expand` replaces them.

/// Replaces `$NAME`, `${NAME}` and `$` with one of `*#$@!?-0123456789` by `value(name)`, and
/// removes `${}` and an unclosed `${`. A `$` before anything else stays.
pub(super) fn expand(text: &str, mut value: impl FnMut(&str) -> String) -> String {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        expanded.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let (name, length) = variable(after);
        if !name.is_empty() {
            expanded.push_str(&value(name));
        } else if length == 0 {
            expanded.push('$');
        }
        rest = &after[length..];
    }
    expanded.push_str(rest);
    expanded
}

/// The variable's name at the start of `text`, which follows a `$`, and how many bytes it takes.
/// A name that is empty and takes some is to be removed.
fn variable(text: &str) -> (&str, usize) {
    match text.as_bytes().first() {
        None => ("", 0),
        Some(b'{') => match text.find('}') {
            Some(end) => (&text[1..end], end + 1),
            None => ("", 1),
        },
        Some(byte) if b"*#$@!?-0123456789".contains(byte) => (&text[..1], 1),
        Some(_) => {
            let in_name = |byte: u8| byte == b'_' || byte.is_ascii_alphanumeric();
            let end = text.bytes().position(|byte| !in_name(byte));
            let end = end.unwrap_or(text.len());
            (&text[..end], end)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expands_as_go_does() {
        let f = |text: &str, want: &str| {
            let got = expand(text, |name| match name {
                "$" => "$".to_owned(),
                "A" => "a".to_owned(),
                other => format!("<{other}>"),
            });
            assert_eq!(got, want, "{text}");
        };
        f("", "");
        f("a", "a");
        f("$A", "a");
        f("x${A}y", "xay");
        f("$A.b", "a.b");
        f("$Ab", "<Ab>");
        f("$$", "$");
        f("$$A", "$A");
        f("a$", "a$");
        f("a$ b", "a$ b");
        f("a$.b", "a$.b");
        f("${}b", "b");
        f("${b", "b");
        f("${$}", "$");
        f("$1A", "<1>A");
        f("${A B}", "<A B>");
        f("$é", "$é");
    }
}
