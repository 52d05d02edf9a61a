//! What a target exposed last, so that a body which differs in numbers only is recognised without
//! parsing its labels.
//!
//! The cache remembers the lines of the last body in their order: length and hash of each series'
//! text, and what became of it. A [`Pass`] walks along: where the next line begins with the text
//! that stood there last time, one hash of it is all it costs. Where it doesn't, the text is looked up, and
//! the walk goes on behind the place where it is found, so that lines that came or went cost
//! little more than themselves. The text itself is not kept: 16 bytes a line.
//!
//! Texts of the same hash are taken for the same. Of a body of 10,000 lines two have the same by chance once in
//! 10¹¹ targets. Each target's hashes have a seed of their own, which it can't know; against one that would go to
//! great lengths to find out the hash promises nothing. What it gained is that two of its own series were mixed up:
//! no other target's are looked up here.

mod line;

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use hashbrown::hash_map::Entry;
use prom_model::sink::SeriesRef;

pub(crate) use self::line::Kind;
use self::line::{Line, SHADOWED, Size, TRACKED, UNTAKEN};

/// What failed bodies may add to the last good one, beside as much as that had: enough for a node that never had
/// a good one, and no more than a good node of its size would cost.
const FAILED_ROOM: Size = Size {
    lines: 4096,
    bytes: 1 << 20,
};

/// The lines of one target's last good body, and of failed ones since.
#[derive(Debug, Default)]
pub(crate) struct SeriesCache {
    /// Those of the last good body, then what failed ones had beyond.
    lines: Vec<Line>,
    /// How many of them are the last good body's.
    good: usize,
    /// A failed body had comments of its own: the sink may hold what they say.
    comments_failed: bool,
    hasher: RandomState,
}

/// Working memory of a [`Pass`], shared by all targets.
#[derive(Debug, Default)]
pub(crate) struct PassMemory {
    next: Vec<Line>,
    /// Places of texts in the cache, filled when a line is not where it was.
    places: HashMap<u64, u32, RandomState>,
    /// Texts of this body with their places in it, kept from then on.
    texts: HashMap<u64, u32, RandomState>,
    /// Series of this body, and whether they are tracked.
    series: HashMap<SeriesRef, bool, RandomState>,
    stale: Vec<SeriesRef>,
    gone: Vec<SeriesRef>,
}

impl PassMemory {
    /// Gives memory back that only an unusually large body needs.
    pub(crate) fn shrink(&mut self) {
        const KEPT_LINES: usize = 1 << 16;
        let capacities = [
            self.next.capacity(),
            // Of the target's last body, which may have been much larger.
            self.places.capacity(),
            self.texts.capacity(),
            self.series.capacity(),
            self.stale.capacity(),
            self.gone.capacity(),
        ];
        // A map has room for more than it was asked for.
        if capacities.into_iter().any(|have| have > 2 * KEPT_LINES) {
            *self = Self::default();
        }
    }
}

/// Series that a scrape ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ended<'a> {
    /// Had a sample in the last scrape and have none in this one.
    pub(crate) stale: &'a [SeriesRef],
    /// Will not be named again.
    pub(crate) gone: &'a [SeriesRef],
}

impl SeriesCache {
    /// Starts the walk along a new body.
    pub(crate) fn pass<'c, 'm>(&'c mut self, memory: &'m mut PassMemory) -> Pass<'c, 'm> {
        memory.next.clear();
        memory.stale.clear();
        memory.gone.clear();
        Pass {
            cache: self,
            memory,
            at: 0,
            strayed: false,
            has_new_comments: false,
        }
    }

    /// No text means anything any more, for example since the rules have changed; the series stay known
    /// until a scrape says which of them are left.
    pub(crate) fn forget_texts(&mut self) {
        let good = self.lines[..self.good].iter();
        self.good = good.filter(|line| line.has_series()).count();
        self.lines.retain(Line::has_series);
        for line in &mut self.lines {
            let tracked = line.has(TRACKED);
            *line = Line::new(Kind::Forgotten, 0, 0, line.series);
            line.set(TRACKED, tracked);
        }
    }

    /// A scrape without a body: every series of the last one is stale, none is forgotten.
    pub(crate) fn end_all<'a>(&mut self, memory: &'a mut PassMemory) -> Ended<'a> {
        memory.stale.clear();
        memory.gone.clear();
        self.untrack_all(&mut memory.stale);
        Ended {
            stale: &memory.stale,
            gone: &[],
        }
    }

    /// How many lines are remembered.
    #[cfg(test)]
    pub(crate) const fn len(&self) -> usize {
        self.lines.len()
    }

    fn untrack_all(&mut self, stale: &mut Vec<SeriesRef>) {
        for line in &mut self.lines {
            if line.has(TRACKED) {
                line.set(TRACKED, false);
                stale.push(line.series);
            }
        }
        stale.sort_unstable();
        stale.dedup();
    }
}

/// A walk along a body.
#[derive(Debug)]
pub(crate) struct Pass<'c, 'm> {
    cache: &'c mut SeriesCache,
    memory: &'m mut PassMemory,
    /// Place of the line that is expected next.
    at: usize,
    /// Whether a line wasn't where it was last time.
    strayed: bool,
    has_new_comments: bool,
}

/// A line of the body, as the cache knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) kind: Kind,
    /// Meaningless for other kinds than series.
    pub(crate) series: SeriesRef,
    /// Which line of this body it is, for [`Pass::taken`].
    pub(crate) place: usize,
    /// The same text stood in this body before.
    pub(crate) repeated: bool,
    /// Another text in this body meant the same series.
    pub(crate) shadowed: bool,
}

impl<'m> Pass<'_, 'm> {
    /// Whether comments have to be told of although they are known, since failed bodies told something else.
    pub(crate) const fn tells_again(&self) -> bool {
        self.cache.comments_failed
    }

    /// Kind and length of the text that the body goes on with, if it is as it was last time.
    #[inline]
    pub(crate) fn expected(&self) -> Option<(Kind, usize)> {
        let line = self.cache.lines.get(self.at)?;
        Some((line.kind(), line.len()))
    }

    /// What was kept with the expected line in the place of a series.
    pub(crate) fn expected_data(&self) -> SeriesRef {
        let line = self.cache.lines.get(self.at);
        line.map_or(SeriesRef(0), |line| line.series)
    }

    /// Whether `text` is that of the expected line, and new to this body.
    #[inline]
    pub(crate) fn is_expected(&self, text: &[u8]) -> bool {
        let Some(line) = self.cache.lines.get(self.at) else {
            return false;
        };
        let hash = self.hash(text);
        line.hash == hash && !(self.strayed && self.memory.texts.contains_key(&hash))
    }

    /// The expected line is there: the walk goes on behind it.
    #[inline]
    pub(crate) fn accept(&mut self) -> Known {
        let line = self.cache.lines[self.at];
        self.at += 1;
        self.push(line)
    }

    /// What is known of `text`, wherever it stood; the walk goes on behind that place.
    pub(crate) fn find(&mut self, text: &[u8]) -> Option<Known> {
        self.stray();
        let hash = self.hash(text);
        if let Some(place) = self.memory.texts.get(&hash) {
            let place = *place as usize;
            let line = self.memory.next[place];
            return Some(Known {
                kind: line.kind(),
                series: line.series,
                place,
                repeated: true,
                shadowed: line.has(SHADOWED),
            });
        }
        let place = *self.memory.places.get(&hash)? as usize;
        self.at = place + 1;
        let line = self.cache.lines[place];
        Some(self.push(line))
    }

    /// Adds a line that is not known; `series` only matters where there is one.
    pub(crate) fn insert(&mut self, kind: Kind, text: &[u8], series: SeriesRef) -> Known {
        self.stray();
        self.has_new_comments |= kind == Kind::Comments;
        let mut line = Line::new(kind, self.hash(text), text.len(), series);
        line.set(UNTAKEN, kind == Kind::Series);
        self.push(line)
    }

    /// A sample of the line at `place` was taken; `tracked` where the series ends with it. Tells whether it is the
    /// first one of the line.
    pub(crate) fn taken(&mut self, place: usize, tracked: bool) -> bool {
        let line = &mut self.memory.next[place];
        let first = line.has(UNTAKEN);
        line.set(UNTAKEN, false);
        if tracked {
            line.set(TRACKED, true);
        }
        first
    }

    /// The body is at its end and counts: what it lacks has ended. The cache now holds this body.
    pub(crate) fn finish(self) -> Ended<'m> {
        let Self { cache, memory, .. } = self;
        cache.good = memory.next.len();
        cache.comments_failed = false;
        if memory.next == cache.lines {
            return Ended {
                stale: &[],
                gone: &[],
            };
        }
        memory.series.clear();
        for line in memory.next.iter().filter(|line| line.has_series()) {
            *memory.series.entry(line.series).or_default() |= line.has(TRACKED);
        }
        for line in cache.lines.iter().filter(|line| line.has_series()) {
            match memory.series.entry(line.series) {
                Entry::Occupied(tracked) => {
                    if line.has(TRACKED) && !tracked.get() {
                        memory.stale.push(line.series);
                    }
                }
                Entry::Vacant(_) => {
                    memory.gone.push(line.series);
                    if line.has(TRACKED) {
                        memory.stale.push(line.series);
                    }
                }
            }
        }
        for ended in [&mut memory.stale, &mut memory.gone] {
            ended.sort_unstable();
            ended.dedup();
        }
        cache.lines.clear();
        cache.lines.shrink_to(memory.next.len());
        cache.lines.reserve_exact(memory.next.len());
        cache.lines.extend_from_slice(&memory.next);
        Ended {
            stale: &memory.stale,
            gone: &memory.gone,
        }
    }

    /// The body is of no account, and every series of the last one is stale.
    ///
    /// The last good body stays known. What this one has beyond is remembered too, so that a scrape which fails
    /// time and again costs no more each time, but only as far as there is room: first for this body, from its beginning
    /// on, then for those that failed before.
    pub(crate) fn abandon(mut self) -> Ended<'m> {
        self.stray();
        let Self {
            cache,
            memory,
            has_new_comments,
            ..
        } = self;
        cache.comments_failed |= has_new_comments;
        cache.untrack_all(&mut memory.stale);

        let PassMemory {
            next,
            places,
            series,
            gone,
            ..
        } = memory;
        series.clear();
        let named = cache
            .lines
            .iter()
            .chain(&*next)
            .filter(|line| line.has_series());
        series.extend(named.map(|line| (line.series, false)));

        let room = Size::of(&cache.lines[..cache.good]).plus(FAILED_ROOM);
        let place = |line: &Line| places.get(&line.hash).map(|place| *place as usize);
        let failed = Size::of(&cache.lines[cache.good..]);
        let new = || next.iter().filter(|line| place(line).is_none());
        let added = Size::of(new());
        if failed.plus(added).is_within(room) {
            cache.lines.reserve_exact(added.lines);
            cache.lines.extend(new().map(Line::failed));
        } else {
            cache.lines.truncate(cache.good);
            let beyond = next
                .iter()
                .filter(|line| place(line).is_none_or(|place| place >= cache.good));
            let mut size = Size::default();
            let fitting = beyond.take_while(|line| {
                size = size.with(line);
                size.is_within(room)
            });
            cache.lines.extend(fitting.map(Line::failed));
            cache.lines.shrink_to_fit();
        }

        for line in cache.lines.iter().filter(|line| line.has_series()) {
            series.insert(line.series, true);
        }
        let forgotten = series.iter().filter(|(_, kept)| !**kept);
        gone.extend(forgotten.map(|(series, _)| *series));
        gone.sort_unstable();
        Ended {
            stale: &memory.stale,
            gone: &memory.gone,
        }
    }

    /// No sample of the line at `place` was taken. A series that never had one ends all the same, as it does in
    /// Prometheus.
    pub(crate) fn refused(&mut self, place: usize, tracked: bool) {
        let line = &mut self.memory.next[place];
        if tracked && line.has(UNTAKEN) {
            line.set(TRACKED, true);
        }
    }

    /// The line at `place` stands for `series`.
    pub(crate) fn relink(&mut self, place: usize, series: SeriesRef) {
        self.memory.next[place].series = series;
    }

    fn hash(&self, text: &[u8]) -> u64 {
        self.cache.hasher.hash_one(text)
    }

    fn push(&mut self, mut line: Line) -> Known {
        let place = self.memory.next.len();
        line.set(TRACKED, false);
        if self.strayed {
            let series = &mut self.memory.series;
            let shadowed = line.has_series() && series.insert(line.series, false).is_some();
            line.set(SHADOWED, shadowed);
            self.memory.texts.insert(line.hash, place as u32);
        }
        self.memory.next.push(line);
        Known {
            kind: line.kind(),
            series: line.series,
            place,
            repeated: false,
            shadowed: line.has(SHADOWED),
        }
    }

    /// From now on lines are looked up.
    fn stray(&mut self) {
        if self.strayed {
            return;
        }
        self.strayed = true;
        let memory = &mut *self.memory;
        memory.places.clear();
        memory.texts.clear();
        memory.series.clear();
        for (place, line) in (0..).zip(&self.cache.lines) {
            if line.kind() != Kind::Forgotten {
                memory.places.entry(line.hash).or_insert(place);
            }
        }
        for (place, line) in (0..).zip(&memory.next) {
            memory.texts.insert(line.hash, place);
            if line.has_series() {
                memory.series.insert(line.series, false);
            }
        }
    }
}
