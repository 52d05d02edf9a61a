//! The text of a series' labels, prepared as far as many series have it in common.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use prom_model::exposition::{Escaping, write_label_value};
use prom_model::label::{INSTANCE, LabelSet};

use crate::store::{Found, Part, Selection, SeriesLabels};

use super::encode::open_label;

/// The labels that federation adds where a series has none of the name: `external_labels`, and an
/// empty `instance`, without which the receiver would put its own there.
#[derive(Debug, Clone, Default)]
pub(crate) struct Additions(Vec<(Box<str>, Box<str>)>);

impl Additions {
    pub(crate) fn new(external_labels: &LabelSet) -> Self {
        let external = external_labels
            .iter()
            .map(|(name, value)| (name.into(), value.into()));
        let mut labels: Vec<(Box<str>, Box<str>)> = external.collect();
        if external_labels.get(INSTANCE).is_none() {
            labels.push((INSTANCE.into(), "".into()));
        }
        labels.sort();
        Self(labels)
    }

    /// Names and values of those that a series with `labels` lacks.
    pub(crate) fn missing<'a>(
        &'a self,
        labels: SeriesLabels<'a>,
    ) -> impl Iterator<Item = (&'a str, &'a str)> {
        let lacks = move |(name, _): &&(Box<str>, Box<str>)| labels.value(name).is_empty();
        self.0
            .iter()
            .filter(lacks)
            .map(|(name, value)| (&**name, &**value))
    }
}

/// Label text of the series of each base, in the layout met last.
///
/// An answer goes through one metric name after the other, whose series mostly have one layout a base, and next to it
/// are names of the same layout.
#[derive(Debug)]
pub(crate) struct LabelTexts {
    /// By base.
    texts: Vec<Text>,
    /// What is made where the memory for another one isn't left.
    passing: Option<Pieces>,
    memory: Arc<TextMemory>,
    /// What `texts` take of it.
    bytes: usize,
}

/// The pieces for one base and layout.
#[derive(Debug, Default)]
struct Text {
    /// Zero where there are none.
    layout: usize,
    pieces: Pieces,
}

/// Memory for the label texts of all answers that are made at the same time. A target takes some ten texts of half a
/// kilobyte; an answer about more than there is memory for makes the rest of its texts anew for each series.
#[derive(Debug)]
pub(crate) struct TextMemory(AtomicUsize);

/// Six thousand targets' texts, or four times those of fifteen hundred.
const MOST_BYTES: usize = 32 << 20;

impl Default for TextMemory {
    fn default() -> Self {
        Self(AtomicUsize::new(MOST_BYTES))
    }
}

impl TextMemory {
    fn take(&self, bytes: usize) -> bool {
        let left = |left: usize| left.checked_sub(bytes);
        let taken = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, left);
        taken.is_ok()
    }

    fn give_back(&self, bytes: usize) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// Few texts are longer.
const TEXT_BYTES: usize = 1 << 10;

/// `{a="1",b="` … `",c="3"}`: what stands around the values of a series' own labels.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    text: Box<[u8]>,
    /// Where the values go.
    cuts: Box<[u32]>,
}

impl LabelTexts {
    /// None yet; what they take is part of `memory`.
    pub(crate) const fn new(memory: Arc<TextMemory>) -> Self {
        Self {
            texts: Vec::new(),
            passing: None,
            memory,
            bytes: 0,
        }
    }

    /// The pieces for `found`; where there are none yet, those that `make` makes.
    pub(crate) fn pieces(
        &mut self,
        found: Found,
        make: impl FnOnce() -> Option<Pieces>,
    ) -> Option<&Pieces> {
        if self.texts.len() <= found.base {
            self.texts.resize_with(found.base + 1, Text::default);
        }
        let text = &mut self.texts[found.base];
        if text.layout != found.layout {
            let pieces = make()?;
            let other = std::mem::take(text).pieces.bytes();
            self.bytes -= other;
            self.memory.give_back(other);
            if !self.memory.take(pieces.bytes()) {
                return Some(self.passing.insert(pieces));
            }
            self.bytes += pieces.bytes();
            *text = Text {
                layout: found.layout,
                pieces,
            };
        }
        Some(&text.pieces)
    }
}

impl Drop for LabelTexts {
    fn drop(&mut self) {
        self.memory.give_back(self.bytes);
    }
}

impl Pieces {
    /// For series with the layout and the base of `labels`.
    pub(crate) fn new(labels: SeriesLabels<'_>, additions: &Additions, escaping: Escaping) -> Self {
        let mut cuts = Vec::with_capacity(labels.shape.values.len());
        let mut text = Vec::with_capacity(TEXT_BYTES);
        text.push(b'{');
        let mut first = true;
        let mut separate = |text: &mut Vec<u8>| {
            if !std::mem::take(&mut first) {
                text.push(b',');
            }
        };
        for (name, value, part) in labels.pairs() {
            separate(&mut text);
            open_label(name, escaping, &mut text);
            match part {
                Part::Base => write_label_value(&mut text, value),
                // Bodies are smaller, and so are the labels of a series.
                Part::Shape => cuts.push(u32::try_from(text.len()).unwrap_or(u32::MAX)),
            }
            text.push(b'"');
        }
        for (name, value) in additions.missing(labels) {
            separate(&mut text);
            open_label(name, escaping, &mut text);
            write_label_value(&mut text, value);
            text.push(b'"');
        }
        text.push(b'}');
        Self {
            text: text.into(),
            cuts: cuts.into(),
        }
    }

    /// Memory that it takes, about.
    fn bytes(&self) -> usize {
        self.text.len() + size_of_val(&*self.cuts)
    }

    /// Appends `{…}` with the `values` in their places.
    pub(crate) fn write(&self, values: &[Arc<str>], out: &mut Vec<u8>) {
        self.write_after(0, values, out);
    }

    /// The same without the opening brace.
    pub(crate) fn write_inner(&self, values: &[Arc<str>], out: &mut Vec<u8>) {
        self.write_after(1, values, out);
    }

    fn write_after(&self, mut from: usize, values: &[Arc<str>], out: &mut Vec<u8>) {
        for (value, cut) in values.iter().zip(&self.cuts) {
            let cut = *cut as usize;
            out.extend_from_slice(&self.text[from..cut]);
            write_label_value(out, value);
            from = cut;
        }
        out.extend_from_slice(&self.text[from..]);
    }
}

/// All labels of `found` with the additions, for formats that aren't text.
pub(crate) fn label_set(selection: &Selection, found: Found, additions: &Additions) -> LabelSet {
    let Some(series) = selection.labels(found) else {
        return LabelSet::new();
    };
    let mut labels = series.to_label_set();
    labels.extend(additions.missing(series));
    labels
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use prom_model::sample::Sample;
    use prom_model::sink::Sink as _;

    use super::*;
    use crate::store::{Cursor, DEFAULT_LOOKBACK, Store};
    use crate::tenant::Scope;

    #[test]
    fn texts_are_bounded_and_the_same_when_made_anew() {
        const MEMORY: usize = 5_000_000;
        let store = Store::new(DEFAULT_LOOKBACK);
        let host = "h".repeat(100_000);
        for target in 0..100 {
            let target: LabelSet = [("host", format!("{host}{target}"))].into_iter().collect();
            let mut writer = store.open(Arc::new(target.clone()));
            writer.begin(0);
            for (name, own) in [("m", "a"), ("m", "b"), ("n", "b")] {
                let mut labels = target.clone();
                labels.set("__name__", name);
                labels.set(own, "x\n");
                let series = writer.resolve(&labels, None);
                writer.append(series, Sample::new(1.0)).unwrap();
            }
            writer.commit();
        }
        let selection = store.snapshot(&Scope::Everything).into_selection(None, 0);
        let additions = Additions::new(&LabelSet::new());
        let memory = Arc::new(TextMemory(AtomicUsize::new(MEMORY)));
        let mut texts = LabelTexts::new(Arc::clone(&memory));
        let mut cursor = Cursor::default();
        let mut count = 0;
        while let Some(found) = selection.next(&mut cursor) {
            let labels = selection.labels(found).unwrap();
            let (own, host) = (
                labels.shape.own().next().unwrap().0,
                labels.value("host").to_owned(),
            );
            let pieces = texts.pieces(found, || {
                Some(Pieces::new(labels, &additions, Escaping::AllowUtf8))
            });
            let pieces = pieces.unwrap();
            let mut text = Vec::new();
            pieces.write(&labels.shape.values, &mut text);
            let own = format!(r#"{own}="x\n""#);
            let host = format!(r#"host="{host}""#);
            let want = if own < host {
                format!(r#"{{{own},{host},instance=""}}"#)
            } else {
                format!(r#"{{{host},{own},instance=""}}"#)
            };
            assert_eq!(String::from_utf8(text).unwrap(), want);
            let kept = texts.texts.iter().map(|text| text.pieces.bytes());
            assert_eq!(texts.bytes, kept.sum::<usize>());
            assert_eq!(texts.bytes + memory.0.load(Ordering::Relaxed), MEMORY);
            count += 1;
        }
        assert_eq!(count, 300);
        assert!(texts.passing.is_some() && texts.bytes > MEMORY / 2);
        drop(texts);
        assert_eq!(memory.0.load(Ordering::Relaxed), MEMORY);
    }
}
