//! Media types, read as Go's `mime.ParseMediaType` reads them.

/// Why a header isn't a media type, in the words of Go's `mime` package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MediaTypeError {
    /// There is nothing before the parameters.
    #[error("mime: no media type")]
    NoMediaType,
    /// The type isn't followed by a slash.
    #[error("mime: expected slash after first token")]
    NoSlash,
    /// The slash isn't followed by a subtype.
    #[error("mime: expected token after slash")]
    NoSubtype,
    /// The subtype is followed by something other than parameters.
    #[error("mime: unexpected content after media subtype")]
    ContentAfterSubtype,
    /// What follows `;` isn't `name=value`.
    #[error("mime: invalid media parameter")]
    InvalidParameter,
    /// A parameter is given twice with different values.
    #[error("mime: duplicate parameter name")]
    DuplicateParameter,
}

/// The type, in lower case, and the parameters, their names in lower case.
pub(super) type MediaType = (String, Vec<(String, String)>);

pub(super) fn parse(header: &str) -> Result<MediaType, MediaTypeError> {
    let (base, mut rest) = header.split_at(header.find(';').unwrap_or(header.len()));
    let media_type = base.to_lowercase().trim().to_owned();
    check(&media_type)?;
    let mut parameters: Vec<(String, String)> = Vec::new();
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            return Ok((media_type, parameters));
        }
        let Some((name, value, after)) = parameter(rest) else {
            // A semicolon at the end is no error.
            return if rest.trim() == ";" {
                Ok((media_type, parameters))
            } else {
                Err(MediaTypeError::InvalidParameter)
            };
        };
        match parameters.iter().find(|(other, _)| *other == name) {
            Some((_, other)) if *other != value => return Err(MediaTypeError::DuplicateParameter),
            Some(_) => {}
            None => parameters.push((name, value)),
        }
        rest = after;
    }
}

fn check(media_type: &str) -> Result<(), MediaTypeError> {
    let (main, rest) = token(media_type);
    if main.is_empty() {
        return Err(MediaTypeError::NoMediaType);
    }
    if rest.is_empty() {
        return Ok(());
    }
    let rest = rest.strip_prefix('/').ok_or(MediaTypeError::NoSlash)?;
    let (sub, rest) = token(rest);
    if sub.is_empty() {
        return Err(MediaTypeError::NoSubtype);
    }
    if !rest.is_empty() {
        return Err(MediaTypeError::ContentAfterSubtype);
    }
    Ok(())
}

/// Reads `; name=value` and returns what follows it.
fn parameter(text: &str) -> Option<(String, String, &str)> {
    let rest = text.strip_prefix(';')?.trim_start();
    let (name, rest) = token(rest);
    if name.is_empty() {
        return None;
    }
    let rest = rest.trim_start().strip_prefix('=')?.trim_start();
    let (value, rest) = if rest.starts_with('"') {
        quoted(rest)?
    } else {
        let (value, after) = token(rest);
        if value.is_empty() {
            return None;
        }
        (value.to_owned(), after)
    };
    Some((name.to_lowercase(), value, rest))
}

fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices().skip(1).peekable();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &text[at + 1..])),
            // Backslashes before anything else stand for themselves: Internet Explorer sent file paths so.
            '\\' => match characters.peek() {
                Some(&(_, escaped)) if is_special(escaped) => {
                    value.push(escaped);
                    characters.next();
                }
                _ => value.push('\\'),
            },
            '\r' | '\n' => return None,
            _ => value.push(character),
        }
    }
    None
}

fn is_special(character: char) -> bool {
    r#"()<>@,;:\"/[]?="#.contains(character)
}

/// Splits the token off that `text` starts with.
pub(super) fn token(text: &str) -> (&str, &str) {
    let is_part = |character: char| character.is_ascii_graphic() && !is_special(character);
    text.split_at(
        text.find(|character| !is_part(character))
            .unwrap_or(text.len()),
    )
}
