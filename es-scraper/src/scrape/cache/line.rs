//! Lines of a body: their text's hash, length, and what became of it, in 16 bytes.

use prom_model::sink::SeriesRef;

/// What a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A series.
    Series,
    /// A series that relabelling drops.
    Dropped,
    /// A run of comments up to the next series.
    Comments,
    /// A series whose text counts no more, since the rules have changed.
    Forgotten,
}

/// A line of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Line {
    /// Hash of the text: a series without its value, or all of the comments.
    pub(super) hash: u64,
    pub(super) series: SeriesRef,
    /// Length of the text in the low bits; a longer text is never expected, but found.
    word: u32,
}

const KIND_SHIFT: u32 = 30;
/// The series' sample of the last scrape ends with it: without one it gets stale.
pub(super) const TRACKED: u32 = 1 << 29;
/// No sample of the series has been taken yet.
pub(super) const UNTAKEN: u32 = 1 << 28;
/// Another text earlier in the same body means the same series.
pub(super) const SHADOWED: u32 = 1 << 27;
const LEN: u32 = SHADOWED - 1;

impl Line {
    pub(super) const fn new(kind: Kind, hash: u64, len: usize, series: SeriesRef) -> Self {
        let kind = match kind {
            Kind::Series => 0,
            Kind::Dropped => 1,
            Kind::Comments => 2,
            Kind::Forgotten => 3,
        };
        Self {
            hash,
            series,
            word: kind << KIND_SHIFT | len as u32 & LEN,
        }
    }

    pub(super) const fn kind(&self) -> Kind {
        match self.word >> KIND_SHIFT {
            0 => Kind::Series,
            1 => Kind::Dropped,
            2 => Kind::Comments,
            _ => Kind::Forgotten,
        }
    }

    pub(super) const fn len(&self) -> usize {
        (self.word & LEN) as usize
    }

    pub(super) const fn has(&self, flag: u32) -> bool {
        self.word & flag != 0
    }

    pub(super) const fn set(&mut self, flag: u32, value: bool) {
        if value {
            self.word |= flag;
        } else {
            self.word &= !flag;
        }
    }

    /// As it is remembered of a body that failed.
    pub(super) const fn failed(&self) -> Self {
        Self {
            word: self.word & !(TRACKED | SHADOWED),
            ..*self
        }
    }

    /// Whether it stands for a series of the sink.
    pub(super) const fn has_series(&self) -> bool {
        matches!(self.kind(), Kind::Series | Kind::Forgotten)
    }
}

/// How much text some lines are.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Size {
    pub(super) lines: usize,
    pub(super) bytes: usize,
}

impl Size {
    pub(super) fn of<'a>(lines: impl IntoIterator<Item = &'a Line>) -> Self {
        lines.into_iter().fold(Self::default(), Self::with)
    }

    pub(super) const fn with(self, line: &Line) -> Self {
        Self {
            lines: self.lines + 1,
            bytes: self.bytes + line.len(),
        }
    }

    pub(super) const fn plus(self, other: Self) -> Self {
        Self {
            lines: self.lines + other.lines,
            bytes: self.bytes + other.bytes,
        }
    }

    pub(super) const fn is_within(self, room: Self) -> bool {
        self.lines <= room.lines && self.bytes <= room.bytes
    }
}
