//! Strings of PromQL.

/// What the string token `quoted` says; `None` where its bytes aren't UTF-8.
///
/// The token is one that the lexer has checked. `\x…` and octal escapes are bytes, `\u…` and `\U…` characters.
pub(super) fn unquote(quoted: &str) -> Option<String> {
    let inner = quoted.get(1..quoted.len() - 1)?;
    if quoted.starts_with('`') || !inner.contains('\\') {
        return Some(inner.to_owned());
    }
    let mut bytes = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while let Some((before, escape)) = rest.split_once('\\') {
        bytes.extend_from_slice(before.as_bytes());
        let c = escape.chars().next()?;
        let (length, byte) = match c {
            'a' => (1, 0x07),
            'b' => (1, 0x08),
            'f' => (1, 0x0c),
            'n' => (1, b'\n'),
            'r' => (1, b'\r'),
            't' => (1, b'\t'),
            'v' => (1, 0x0b),
            '0'..='7' => (3, u8::from_str_radix(escape.get(..3)?, 8).ok()?),
            'x' => (3, u8::from_str_radix(escape.get(1..3)?, 16).ok()?),
            'u' | 'U' => {
                let length = if c == 'u' { 5 } else { 9 };
                let number = u32::from_str_radix(escape.get(1..length)?, 16).ok()?;
                let c = char::from_u32(number)?;
                bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                rest = &escape[length..];
                continue;
            }
            '\\' | '"' | '\'' => (1, u8::try_from(c).ok()?),
            _ => return None,
        };
        bytes.push(byte);
        rest = &escape[length..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8(bytes).ok()
}
