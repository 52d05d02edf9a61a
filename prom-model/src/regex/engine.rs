//! The general matcher, for whatever has no simpler shape.

use regex_automata::meta;
use regex_automata::nfa::thompson::WhichCaptures;
use regex_automata::util::captures::Captures;
use regex_syntax::hir::{Hir, Look};

use super::error::{RegexError, RegexErrorKind};

/// Bytes that the automaton of one expression may take.
///
/// `\pL{100}` fits. Go itself stops at 128 MiB, too much for what any client may send.
const MAX_AUTOMATON_BYTES: usize = 8 << 20;

/// Bytes that the lazily built states of one expression may take while it matches.
const MAX_STATE_CACHE_BYTES: usize = 1 << 20;

/// Levels of nesting that any thread's stack is deep enough for.
const SHALLOW: u32 = 100;
/// Twice what 1000 levels took of a stack in an unoptimised build.
const DEEP_STACK_BYTES: usize = 4 << 20;

/// Runs `build`, which walks an expression of `height` levels recursively, where the stack is deep enough.
pub(super) fn on_deep_stack<T: Send>(
    expression: &str,
    height: u32,
    build: impl FnOnce() -> Result<T, RegexError> + Send,
) -> Result<T, RegexError> {
    if height <= SHALLOW {
        return build();
    }
    let too_large = || RegexError::new(RegexErrorKind::TooLarge, expression);
    std::thread::scope(|scope| {
        std::thread::Builder::new()
            .stack_size(DEEP_STACK_BYTES)
            .spawn_scoped(scope, build)
            .map_err(|_| too_large())?
            .join()
            .map_err(|_| too_large())?
    })
}

/// A compiled expression.
pub(super) struct Engine(meta::Regex);

impl Engine {
    /// An engine that tells whether a whole text matches.
    pub(super) fn matching(expression: &str, hir: Hir) -> Result<Self, RegexError> {
        Self::compile(expression, &anchored(hir), WhichCaptures::Implicit)
    }

    /// An engine that matches a whole text and tells what its groups captured.
    pub(super) fn capturing(expression: &str, hir: Hir) -> Result<Self, RegexError> {
        Self::compile(expression, &anchored(hir), WhichCaptures::All)
    }

    /// An engine like [`capturing`](Self::capturing) that finds `hir` anywhere in a text.
    pub(super) fn searching(expression: &str, hir: &Hir) -> Result<Self, RegexError> {
        Self::compile(expression, hir, WhichCaptures::All)
    }

    fn compile(expression: &str, hir: &Hir, captures: WhichCaptures) -> Result<Self, RegexError> {
        let config = meta::Config::new()
            .which_captures(captures)
            .nfa_size_limit(Some(MAX_AUTOMATON_BYTES))
            .hybrid_cache_capacity(MAX_STATE_CACHE_BYTES);
        meta::Builder::new()
            .configure(config)
            .build_from_hir(hir)
            .map(Self)
            .map_err(|_| RegexError::new(RegexErrorKind::TooLarge, expression))
    }

    pub(super) fn is_match(&self, text: &str) -> bool {
        self.0.is_match(text)
    }

    /// Bytes that the compiled expression takes, without what it caches while it matches.
    pub(super) fn memory_usage(&self) -> usize {
        self.0.memory_usage()
    }

    /// What the leftmost match in `text` captured.
    pub(super) fn captures(&self, text: &str) -> Option<Captures> {
        let mut captures = self.0.create_captures();
        self.0.captures(text, &mut captures);
        captures.is_match().then_some(captures)
    }

    /// What each match in `text` captured, leftmost first, none overlapping.
    pub(super) fn captures_iter<'a>(
        &'a self,
        text: &'a str,
    ) -> impl Iterator<Item = Captures> + 'a {
        self.0.captures_iter(text)
    }
}

fn anchored(hir: Hir) -> Hir {
    Hir::concat(vec![Hir::look(Look::Start), hir, Hir::look(Look::End)])
}
