//! Patterns for file names, as Go's `filepath.Glob` reads them.
//!
//! `*` and `?` stop at `/`, `[a-z]` and `[^a-z]` are classes, `\` takes the next character as it is. There is no `**`, and names
//! that start with a dot are like any other.

use std::io;
use std::path::{Component, Path, PathBuf};

/// The pattern is no pattern: a class is not closed, or nothing follows a `\`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("syntax error in pattern")]
pub(super) struct BadPattern;

/// What a pattern found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Matches {
    /// Paths, sorted within each folder.
    pub(super) paths: Vec<String>,
    /// Whether a folder could not be looked into, so that `paths` may lack some. A folder that
    /// isn't there is not meant.
    pub(super) incomplete: bool,
}

/// The files whose paths match `pattern`. A name that isn't UTF-8 never does.
///
/// # Errors
/// Where the pattern is malformed, found or not.
pub(super) fn glob(pattern: &str) -> Result<Matches, BadPattern> {
    if !has_meta(pattern) {
        let mut matches = Matches::default();
        match Path::new(pattern).symlink_metadata() {
            Ok(_) => matches.paths.push(pattern.to_owned()),
            Err(err) => matches.incomplete = !is_absence(&err),
        }
        return Ok(matches);
    }
    let (dir, name) = match pattern.rfind('/') {
        Some(0) => ("/", &pattern[1..]),
        Some(at) => (&pattern[..at], &pattern[at + 1..]),
        None => (".", pattern),
    };
    let tokens = parse(name)?;
    let dirs = if has_meta(dir) {
        glob(dir)?
    } else {
        Matches {
            paths: vec![dir.to_owned()],
            incomplete: false,
        }
    };
    let mut matches = Matches {
        paths: Vec::new(),
        incomplete: dirs.incomplete,
    };
    for dir in dirs.paths {
        match names(&dir) {
            Ok(mut names) => {
                names.retain(|name| is_match(&tokens, name));
                names.sort_unstable();
                matches
                    .paths
                    .extend(names.iter().map(|name| join(&dir, name)));
            }
            Err(err) => matches.incomplete |= !is_absence(&err),
        }
    }
    Ok(matches)
}

fn has_meta(pattern: &str) -> bool {
    pattern.contains(['*', '?', '[', '\\'])
}

fn is_absence(err: &io::Error) -> bool {
    matches!(
        err.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

fn names(dir: &str) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in Path::new(dir).read_dir()? {
        if let Ok(name) = entry?.file_name().into_string() {
            names.push(name);
        }
    }
    Ok(names)
}

/// `dir/name` in its shortest form, which is how Prometheus names the file in `__meta_filepath`.
fn join(dir: &str, name: &str) -> String {
    let mut path = PathBuf::new();
    for component in Path::new(dir).components() {
        match (component, path.components().next_back()) {
            (Component::CurDir, _) | (Component::ParentDir, Some(Component::RootDir)) => {}
            (Component::ParentDir, Some(Component::Normal(_))) => {
                path.pop();
            }
            (component, _) => path.push(component),
        }
    }
    path.push(name);
    path.to_string_lossy().into_owned()
}

#[derive(Debug, PartialEq, Eq)]
enum Token {
    /// Any number of characters.
    Star,
    /// Any character.
    One,
    /// This character.
    Char(char),
    /// A character within one of the ranges, or outside all of them.
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

impl Token {
    fn matches(&self, have: char) -> bool {
        match self {
            Self::Star => false,
            Self::One => true,
            Self::Char(want) => have == *want,
            Self::Class { negated, ranges } => {
                ranges
                    .iter()
                    .any(|(low, high)| (low..=high).contains(&&have))
                    != *negated
            }
        }
    }
}

fn parse(pattern: &str) -> Result<Vec<Token>, BadPattern> {
    let mut tokens = Vec::new();
    let mut rest = pattern.chars().peekable();
    while let Some(next) = rest.next() {
        tokens.push(match next {
            '*' => Token::Star,
            '?' => Token::One,
            '\\' => Token::Char(rest.next().ok_or(BadPattern)?),
            '[' => {
                let negated = rest.next_if_eq(&'^').is_some();
                let mut ranges = Vec::new();
                while ranges.is_empty() || rest.next_if_eq(&']').is_none() {
                    let low = class_character(&mut rest)?;
                    let high = match rest.next_if_eq(&'-') {
                        Some(_) => class_character(&mut rest)?,
                        None => low,
                    };
                    ranges.push((low, high));
                }
                Token::Class { negated, ranges }
            }
            other => Token::Char(other),
        });
    }
    Ok(tokens)
}

fn class_character(rest: &mut impl Iterator<Item = char>) -> Result<char, BadPattern> {
    match rest.next() {
        Some('\\') => rest.next().ok_or(BadPattern),
        None | Some('-' | ']') => Err(BadPattern),
        Some(other) => Ok(other),
    }
}

/// Whether all of `name` matches; time is at most the product of both lengths.
fn is_match(tokens: &[Token], name: &str) -> bool {
    let name: Vec<char> = name.chars().collect();
    let (mut at, mut token) = (0, 0);
    // Where to go on should the characters after the last star not match.
    let mut retry = None;
    while at < name.len() {
        match tokens.get(token) {
            Some(Token::Star) => {
                token += 1;
                retry = Some((at, token));
            }
            Some(want) if want.matches(name[at]) => {
                at += 1;
                token += 1;
            }
            _ => {
                let Some((from, after_star)) = retry else {
                    return false;
                };
                (at, token) = (from + 1, after_star);
                retry = Some((at, token));
            }
        }
    }
    tokens[token..].iter().all(|token| *token == Token::Star)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_as_in_go() {
        let f = |pattern: &str, name: &str, want| {
            let have = parse(pattern).map(|tokens| is_match(&tokens, name));
            assert_eq!(have, want, "{pattern} {name}");
        };
        f("a.json", "a.json", Ok(true));
        f("a.json", "a_json", Ok(false));
        f("*.json", "a.json", Ok(true));
        f("*.json", ".json", Ok(true));
        f("*.json", "a.json.tmp", Ok(false));
        f("a*b*c.json", "aXbYbZc.json", Ok(true));
        f("a*b*c.json", "aXcYbZ.json", Ok(false));
        f("*", "", Ok(true));
        f("?.json", "ä.json", Ok(true));
        f("?.json", ".json", Ok(false));
        f("[a-c].json", "b.json", Ok(true));
        f("[^a-c].json", "b.json", Ok(false));
        f("[^a-c].json", "d.json", Ok(true));
        f("[\\]x].json", "].json", Ok(true));
        f("\\*.json", "*.json", Ok(true));
        f("\\*.json", "a.json", Ok(false));
        f("[a.json", "a.json", Err(BadPattern));
        f("[]a].json", "a.json", Err(BadPattern));
        f("[a-].json", "a.json", Err(BadPattern));
        f("a\\", "a", Err(BadPattern));
    }

    #[test]
    fn paths_are_cleaned_as_in_go() {
        let f = |dir: &str, want: &str| assert_eq!(join(dir, "x"), want, "{dir}");
        f(".", "x");
        f("./a/", "a/x");
        f("a//b/./c", "a/b/c/x");
        f("a/b/../c", "a/c/x");
        f("../a/../..", "../../x");
        f("/", "/x");
        f("/../a", "/a/x");
    }

    #[test]
    fn folders_may_be_patterns() {
        let root = tempfile::tempdir().unwrap();
        for path in ["a1/x.json", "a1/y.json", "a2/x.json", "b/x.json"] {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "[]").unwrap();
        }
        let f = |pattern: &str, want: &[&str]| {
            let root = root.path().to_str().unwrap();
            let have = glob(&format!("{root}/{pattern}")).unwrap();
            let want: Vec<_> = want.iter().map(|path| format!("{root}/{path}")).collect();
            assert_eq!((have.paths, have.incomplete), (want, false), "{pattern}");
        };
        f("a1/*.json", &["a1/x.json", "a1/y.json"]);
        f("a?/x.json", &["a1/x.json", "a2/x.json"]);
        f("b/x.json", &["b/x.json"]);
        f("c/*.json", &[]);
        f("c/x.json", &[]);
        f("b/x.json/*.json", &[]);
    }
}
