//! The text of a series' labels, prepared as far as many series have it in common.

use std::sync::Arc;

use hashbrown::HashMap;
use prom_model::exposition::{Escaping, write_label_value};
use prom_model::label::{INSTANCE, LabelSet};

use crate::store::{Found, Selection, SeriesLabels, layout_key};

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

/// Label text of pairs of base and layout that an answer has met lately.
#[derive(Debug, Default)]
pub(crate) struct LabelTexts {
    pieces: HashMap<(usize, usize), Pieces>,
    /// What they take, about.
    bytes: usize,
}

/// What the texts may take. Those of 300 targets in ten layouts fit, more than a node of Elasticsearch has. Beyond that
/// texts are made anew now and then: an answer goes through one metric name after the other, each of few layouts.
const MOST_BYTES: usize = 1 << 20;

/// `{a="1",b="` … `",c="3"}`: what stands around the values of a series' own labels, one piece more than values.
#[derive(Debug)]
pub(crate) struct Pieces(Box<[Box<[u8]>]>);

impl LabelTexts {
    /// The pieces for `found`, whose labels are `labels`.
    pub(crate) fn pieces(
        &mut self,
        found: Found,
        labels: SeriesLabels<'_>,
        additions: &Additions,
        escaping: Escaping,
    ) -> &Pieces {
        let key = (found.base, layout_key(labels.shape) as usize);
        if self.bytes > MOST_BYTES {
            self.pieces.clear();
            self.bytes = 0;
        }
        self.pieces.entry(key).or_insert_with(|| {
            let pieces = Pieces::new(labels, additions, escaping);
            self.bytes += pieces.bytes();
            pieces
        })
    }
}

impl Pieces {
    fn new(labels: SeriesLabels<'_>, additions: &Additions, escaping: Escaping) -> Self {
        let mut pieces = Vec::with_capacity(labels.shape.values.len() + 1);
        let mut piece = vec![b'{'];
        let mut first = true;
        let mut separate = |piece: &mut Vec<u8>| {
            if !std::mem::take(&mut first) {
                piece.push(b',');
            }
        };
        for (name, value) in labels.iter() {
            separate(&mut piece);
            open_label(name, escaping, &mut piece);
            if labels.base.get(name).is_some() {
                write_label_value(&mut piece, value);
            } else {
                pieces.push(std::mem::take(&mut piece).into_boxed_slice());
            }
            piece.push(b'"');
        }
        for (name, value) in additions.missing(labels) {
            separate(&mut piece);
            open_label(name, escaping, &mut piece);
            write_label_value(&mut piece, value);
            piece.push(b'"');
        }
        piece.push(b'}');
        pieces.push(piece.into_boxed_slice());
        Self(pieces.into_boxed_slice())
    }

    /// Memory that it takes, about.
    fn bytes(&self) -> usize {
        let texts = self.0.iter().map(|piece| piece.len() + size_of_val(piece));
        size_of::<(usize, usize, Self)>() + texts.sum::<usize>()
    }

    /// Appends `{…}` with the `values` in their places.
    pub(crate) fn write(&self, values: &[Arc<str>], out: &mut Vec<u8>) {
        self.write_after(0, values, out);
    }

    /// The same without the opening brace.
    pub(crate) fn write_inner(&self, values: &[Arc<str>], out: &mut Vec<u8>) {
        self.write_after(1, values, out);
    }

    fn write_after(&self, skip: usize, values: &[Arc<str>], out: &mut Vec<u8>) {
        let mut pieces = self.0.iter();
        if let Some(first) = pieces.next() {
            out.extend_from_slice(&first[skip..]);
        }
        for (value, piece) in values.iter().zip(pieces) {
            write_label_value(out, value);
            out.extend_from_slice(piece);
        }
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

    #[test]
    fn texts_are_bounded_and_the_same_when_made_anew() {
        let store = Store::new(DEFAULT_LOOKBACK);
        let host = "h".repeat(1000);
        let target: LabelSet = [("host", &*host)].into_iter().collect();
        let mut writer = store.open(Arc::new(target.clone()));
        writer.begin(0);
        for layout in 0..3000 {
            let mut labels = target.clone();
            labels.set("__name__", "m");
            labels.set(&format!("label_{layout}"), "x");
            let series = writer.resolve(&labels, None);
            writer.append(series, Sample::new(1.0)).unwrap();
        }
        writer.commit();
        let selection = store.snapshot().into_selection(None, 0);
        let additions = Additions::new(&LabelSet::new());
        let (mut texts, mut cursor) = (LabelTexts::default(), Cursor::default());
        let mut count = 0;
        while let Some(found) = selection.next(&mut cursor) {
            let labels = selection.labels(found).unwrap();
            let own = labels.shape.own().next().unwrap().0;
            let pieces = texts.pieces(found, labels, &additions, Escaping::AllowUtf8);
            let mut text = Vec::new();
            pieces.write(&labels.shape.values, &mut text);
            let want = format!("{{host=\"{host}\",{own}=\"x\",instance=\"\"}}");
            assert_eq!(String::from_utf8(text).unwrap(), want);
            assert!(texts.bytes <= MOST_BYTES + 2 * host.len());
            count += 1;
        }
        assert_eq!(count, 3000);
        assert!(texts.pieces.len() < 1100, "{}", texts.pieces.len());
    }
}
