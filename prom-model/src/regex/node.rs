//! Parts of an expression, joined as Go joins them so that its limits apply.

use regex_syntax::hir::{Capture, Hir, Repetition};

/// An expression with what the limits need to know of it.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) hir: Hir,
    pub(super) kind: Kind,
    /// Levels of nesting.
    pub(super) height: u32,
    /// By the estimate of Go's compiler.
    pub(super) instructions: u64,
    /// Largest product of nested repetition counts.
    pub(super) repeats: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// One character or a class.
    Char,
    /// Several characters.
    Text,
    Concat,
    Alternation,
    Other,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) min: u32,
    pub(super) max: Option<u32>,
    /// Whether it was written `{…}`: only these count towards the limit of repetitions.
    pub(super) counted: bool,
}

impl Bounds {
    pub(super) const fn new(min: u32, max: Option<u32>) -> Self {
        Self {
            min,
            max,
            counted: false,
        }
    }
}

impl Node {
    pub(super) const fn leaf(hir: Hir, kind: Kind) -> Self {
        Self {
            hir,
            kind,
            height: 1,
            instructions: 1,
            repeats: 1,
        }
    }

    pub(super) fn captured(self, index: u32) -> Self {
        Self {
            kind: Kind::Other,
            height: self.height + 1,
            instructions: self.instructions + 2,
            repeats: self.repeats,
            hir: Hir::capture(Capture {
                index,
                name: None,
                sub: Box::new(self.hir),
            }),
        }
    }

    pub(super) fn repeated(self, bounds: Bounds, greedy: bool) -> Self {
        let Bounds { min, max, counted } = bounds;
        let copies = u64::from(max.unwrap_or(min));
        let instructions = match max {
            _ if !counted => 2 + self.instructions,
            None if min == 0 => 2 + self.instructions,
            None => 1 + copies * self.instructions,
            Some(max) => copies * self.instructions + u64::from(max - min),
        };
        let repeats = match max {
            _ if !counted => self.repeats,
            Some(0) => 1,
            _ => self.repeats.saturating_mul(max.unwrap_or(min).max(1)),
        };
        Self {
            kind: Kind::Other,
            height: self.height + 1,
            instructions: instructions.max(1),
            repeats,
            hir: Hir::repetition(Repetition {
                min,
                max,
                greedy,
                sub: Box::new(self.hir),
            }),
        }
    }

    pub(super) fn concat(nodes: Vec<Self>) -> Self {
        let texts = nodes
            .iter()
            .all(|node| matches!(node.kind, Kind::Char | Kind::Text));
        let mut node = Self::combine(nodes, Kind::Concat, Hir::concat);
        if node.kind == Kind::Concat && texts {
            node.kind = Kind::Text;
            node.height = 1;
        }
        node
    }

    pub(super) fn alternation(branches: Vec<Self>) -> Self {
        let chars = branches.iter().all(|node| node.kind == Kind::Char);
        let forks = u64::try_from(branches.len()).unwrap_or(u64::MAX) - 1;
        let mut node = Self::combine(branches, Kind::Alternation, Hir::alternation);
        node.instructions = node.instructions.saturating_add(forks);
        if node.kind == Kind::Alternation && chars {
            node.kind = Kind::Char;
            node.height = 1;
            node.instructions = 1;
        }
        node
    }

    /// Joins `nodes` as Go does: one alone stays as it is, and those of the same kind are merged in.
    fn combine(mut nodes: Vec<Self>, kind: Kind, join: impl Fn(Vec<Hir>) -> Hir) -> Self {
        if nodes.len() < 2 {
            return nodes
                .pop()
                .unwrap_or_else(|| Self::leaf(Hir::empty(), Kind::Other));
        }
        let height = |node: &Self| node.height - u32::from(node.kind == kind);
        Self {
            kind,
            height: 1 + nodes.iter().map(height).max().unwrap_or(0),
            instructions: nodes
                .iter()
                .fold(0, |sum, node| node.instructions.saturating_add(sum)),
            repeats: nodes.iter().map(|node| node.repeats).max().unwrap_or(1),
            hir: join(nodes.into_iter().map(|node| node.hir).collect()),
        }
    }
}
