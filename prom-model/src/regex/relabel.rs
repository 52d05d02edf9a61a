//! Expressions of relabel rules, whose groups are used.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use regex_syntax::hir::{Hir, HirKind, Look};

use super::engine::{self, Engine};
use super::error::RegexError;
use super::parse::{self, DotMatchesNewline, Parsed};
use super::shape::Shape;
use super::template::Template;

/// An expression of a relabel rule: [`Regex`](super::Regex) with what its groups captured.
///
/// Prometheus compiles the text `^(?s:EXPRESSION)$` here, while it parses a matcher's expression
/// by itself. So `a)|(b` is an expression here and not there, and means what that text says: starts with `a`
/// or ends with `b`.
///
/// Cheap to clone. Two are equal if they are spelt alike.
#[derive(Clone)]
pub struct RelabelRegex(Arc<Inner>);

struct Inner {
    expression: Box<str>,
    names: Box<[Box<str>]>,
    shape: Option<Shape>,
    /// How many groups, beginning with 1, always capture the whole text.
    whole_groups: usize,
    /// Absent where `shape` and `whole_groups` tell all that there is to tell.
    engine: Option<Engine>,
    anchored: bool,
}

impl RelabelRegex {
    /// Compiles `expression` as Prometheus does for a relabel rule.
    ///
    /// # Errors
    /// Where Go's parser refuses it, or where its automaton would be too large. The error
    /// quotes the text with the anchors, as Prometheus does.
    pub fn new(expression: &str) -> Result<Self, RegexError> {
        let spliced = format!("^(?s:{expression})$");
        let parsed = parse::parse(&spliced, DotMatchesNewline::No)?;
        let inner = engine::on_deep_stack(&spliced, parsed.height, || {
            Inner::build(expression, &spliced, parsed)
        })?;
        Ok(Self(Arc::new(inner)))
    }

    /// Whether the whole of `text` matches.
    #[must_use]
    pub fn is_match(&self, text: &str) -> bool {
        match (&self.0.shape, &self.0.engine) {
            (Some(shape), _) => shape.is_match(text),
            (None, Some(engine)) => engine.is_match(text),
            (None, None) => false,
        }
    }

    /// The expression as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0.expression
    }

    /// Reads `text` as a template over this expression's groups.
    #[must_use]
    pub fn template(&self, text: &str) -> Template {
        Template::parse(text, &self.0.names)
    }

    /// Matches `text` once and expands each of `templates`, `None` where it doesn't match.
    ///
    /// `templates` are from this expression's [`template`](Self::template); one from another
    /// expression is expanded with the groups of this one that have the same numbers.
    #[must_use]
    pub fn expand<'t, const N: usize>(
        &self,
        text: &str,
        templates: [&'t Template; N],
    ) -> Option<[Cow<'t, str>; N]> {
        let whole = templates
            .iter()
            .all(|template| template.highest_group() <= self.0.whole_groups);
        let plain = templates
            .iter()
            .all(|template| template.as_literal().is_some());
        if plain || (whole && self.0.anchored) {
            if !self.is_match(text) {
                return None;
            }
            return Some(templates.map(|template| expand(template, |_| Some(text))));
        }
        let captures = self.0.engine.as_ref()?.captures(text)?;
        Some(templates.map(|template| {
            expand(template, |group| {
                Some(&text[captures.get_group(group)?.range()])
            })
        }))
    }

    /// `text` with each match in it replaced by the expanded `template`, as Go's `ReplaceAllString`.
    ///
    /// A match is the whole text, but for an expression that closes its own anchors.
    #[must_use]
    pub fn replace_all(&self, text: &str, template: &Template) -> String {
        if self.0.anchored {
            return match self.expand(text, [template]) {
                Some([replaced]) => replaced.into_owned(),
                None => text.to_owned(),
            };
        }
        let mut out = String::new();
        let mut copied = 0;
        for captures in self
            .0
            .engine
            .iter()
            .flat_map(|engine| engine.captures_iter(text))
        {
            let Some(span) = captures.get_match() else {
                continue;
            };
            out.push_str(&text[copied..span.start()]);
            template.expand(&mut out, |group| {
                Some(&text[captures.get_group(group)?.range()])
            });
            copied = span.end();
        }
        out.push_str(&text[copied..]);
        out
    }
}

impl Inner {
    fn build(expression: &str, spliced: &str, parsed: Parsed) -> Result<Self, RegexError> {
        let mut inner = Self {
            expression: expression.into(),
            names: parsed.names.into(),
            shape: None,
            whole_groups: 0,
            engine: None,
            anchored: false,
        };
        let Some(hir) = unanchor(&parsed.hir) else {
            inner.engine = Some(Engine::searching(spliced, &parsed.hir)?);
            return Ok(inner);
        };
        inner.anchored = true;
        inner.shape = Shape::of(&hir);
        if inner.shape.is_some() {
            inner.whole_groups = whole_groups(&hir);
        }
        if inner.shape.is_none() || inner.whole_groups < inner.names.len() {
            inner.engine = Some(Engine::capturing(spliced, hir)?);
        }
        Ok(inner)
    }
}

fn expand<'t, 'text>(
    template: &'t Template,
    group: impl Fn(usize) -> Option<&'text str>,
) -> Cow<'t, str> {
    match template.as_literal() {
        Some(literal) => Cow::Borrowed(literal),
        None => {
            let mut out = String::new();
            template.expand(&mut out, group);
            Cow::Owned(out)
        }
    }
}

/// What stands between `^` and `$`, unless the expression closed the group around it and put an
/// alternative beside one of them.
fn unanchor(hir: &Hir) -> Option<Hir> {
    let HirKind::Concat(parts) = hir.kind() else {
        return None;
    };
    let [first, inner @ .., last] = &**parts else {
        return None;
    };
    let anchors = matches!(first.kind(), HirKind::Look(Look::Start))
        && matches!(last.kind(), HirKind::Look(Look::End));
    anchors.then(|| Hir::concat(inner.to_vec()))
}

/// How many groups enclose all of `hir`: 2 for `((a|b))`.
fn whole_groups(hir: &Hir) -> usize {
    let mut groups = 0;
    let mut hir = hir;
    while let HirKind::Capture(capture) = hir.kind() {
        groups += 1;
        hir = &capture.sub;
    }
    groups
}

impl PartialEq for RelabelRegex {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for RelabelRegex {}

impl fmt::Debug for RelabelRegex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RelabelRegex").field(&self.as_str()).finish()
    }
}
