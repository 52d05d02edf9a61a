//! Writing the selected series in one of the exposition formats, a piece at a time.

use std::sync::Arc;

use prom_model::exposition::negotiate::Response;
use prom_model::exposition::{self, Escaping, Format, MetricFamily};
use prom_model::label::{METRIC_NAME, is_legacy_label_name, is_legacy_metric_name};
use prom_model::metadata::{Metadata, MetricType};
use prom_model::sample::Sample;

use crate::store::{Batch, Cursor, Effort, Found, Selection, Step};

use super::labels::{Additions, LabelTexts, Pieces, TextMemory, label_set};
use super::plan::{self, Family};

/// Series in one protobuf message, which is had as a whole before it is sent. A family of more comes in several, as
/// Prometheus reads them.
const MESSAGE_SERIES: usize = 1000;

/// Whether samples carry their time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timestamps {
    /// Each sample has its own.
    Written,
    /// None has one, so that the receiver takes the time of its scrape and marks what vanishes as stale.
    LeftOut,
}

/// An exposition under way.
#[derive(Debug)]
pub(crate) struct Exposition {
    selection: Selection,
    families: Vec<Family>,
    additions: Arc<Additions>,
    style: Response,
    timestamps: Timestamps,
    labels: LabelTexts,
    opening: Opening,
    /// The family under way, the metric name within it, and the place there.
    family: usize,
    name: usize,
    cursor: Option<Cursor>,
    batch: Batch,
    /// Whether the family under way has its header.
    headed: bool,
    series_count: u64,
    ended: bool,
}

impl Exposition {
    pub(crate) fn new(
        selection: Selection,
        additions: Arc<Additions>,
        style: Response,
        timestamps: Timestamps,
        memory: Arc<TextMemory>,
    ) -> Self {
        let families = plan::families(&selection);
        Self {
            selection,
            families,
            additions,
            style,
            timestamps,
            labels: LabelTexts::new(memory),
            opening: Opening::default(),
            family: 0,
            name: 0,
            cursor: None,
            batch: Batch::default(),
            headed: false,
            series_count: 0,
            ended: false,
        }
    }

    /// How many series were written so far.
    pub(crate) const fn series_count(&self) -> u64 {
        self.series_count
    }

    /// Whether each type can be told in OpenMetrics, in which a counter's name ends in `_total`.
    pub(crate) fn suits_openmetrics(&self) -> bool {
        self.families.iter().all(|family| {
            let (_, told) = self.header_of(family, Format::OpenMetrics);
            family.metric_type != MetricType::Counter || told == MetricType::Counter
        })
    }

    /// Writes in this style, as long as nothing has been written.
    pub(crate) const fn set_style(&mut self, style: Response) {
        self.style = style;
    }

    pub(crate) const fn style(&self) -> Response {
        self.style
    }

    /// Appends to `out` until it holds `limit` bytes, or a little more: a series is written whole, and
    /// of protobuf a message. Stops earlier once `effort` is used up. Tells whether there is more to come.
    pub(crate) fn write(&mut self, out: &mut Vec<u8>, limit: usize, mut effort: Effort) -> bool {
        while out.len() < limit && effort.0 > 0 {
            if self.family == self.families.len() {
                if !std::mem::replace(&mut self.ended, true)
                    && self.style.format.text_format() == Some(Format::OpenMetrics)
                {
                    exposition::write_eof(out);
                }
                return false;
            }
            match self.style.format.text_format() {
                Some(format) => match self.next_found(&mut effort) {
                    Step::Found(found) => self.write_line(found, format, out),
                    Step::End => {
                        effort.0 = effort.0.saturating_sub(1);
                        self.family += 1;
                        self.headed = false;
                    }
                    Step::Pause => return true,
                },
                None => self.write_message(&mut effort, out),
            }
        }
        true
    }

    /// The next series of the family under way.
    fn next_found(&mut self, effort: &mut Effort) -> Step {
        loop {
            let cursor = match &mut self.cursor {
                Some(cursor) => cursor,
                None => match self.families[self.family].position(self.name) {
                    Some(name) => self.cursor.insert(Cursor::at_name(name)),
                    None => break,
                },
            };
            match self
                .selection
                .next_in_batch(cursor, &mut self.batch, effort)
            {
                Step::Found(found) => {
                    self.series_count += 1;
                    return Step::Found(found);
                }
                Step::Pause => return Step::Pause,
                Step::End => {}
            }
            self.cursor = None;
            self.name += 1;
        }
        self.name = 0;
        Step::End
    }

    fn write_line(&mut self, found: Found, format: Format, out: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.headed, true) {
            self.write_family_header(format, out);
        }
        let selection = &self.selection;
        let Some(shape) = selection.shape(found) else {
            return;
        };
        let escaping = self.style.escaping;
        self.opening.turn_to(&shape.name, escaping);
        let pieces = self.labels.pieces(found, || {
            let labels = selection.labels(found)?;
            Some(Pieces::new(labels, &self.additions, escaping))
        });
        let Some(pieces) = pieces else {
            return;
        };
        out.extend_from_slice(&self.opening.text);
        if self.opening.in_braces {
            pieces.write_inner(&shape.values, out);
        } else {
            pieces.write(&shape.values, out);
        }
        exposition::write_sample(out, format, self.sample(found));
    }

    fn write_family_header(&self, format: Format, out: &mut Vec<u8>) {
        let family = &self.families[self.family];
        let (header, metric_type) = self.header_of(family, format);
        let help = family.help(&self.selection);
        let header = self.style.escaping.metric_name(header);
        exposition::write_header(out, format, &header, metric_type, help);
        if format == Format::OpenMetrics {
            exposition::write_unit(out, &header, family.unit(&self.selection));
        }
    }

    /// Name and type to describe `family` by.
    fn header_of(&self, family: &Family, format: Format) -> (&str, MetricType) {
        let name = family.name(&self.selection);
        let (header, metric_type) = exposition::header(name, family.metric_type, format);
        let names = self.selection.names();
        let is_taken = |header: &str| names.binary_search_by(|it| (*it.name).cmp(header)).is_ok();
        if header != name && is_taken(header) {
            // The family without its suffix would be that of another metric.
            return (name, MetricType::Unknown);
        }
        (header, metric_type)
    }

    /// Appends what comes next of the family under way as one protobuf message.
    ///
    /// A histogram or summary is one metric made of several series, which lie apart, so a family of those is
    /// one message at any length.
    fn write_message(&mut self, effort: &mut Effort, out: &mut Vec<u8>) {
        let family = &self.families[self.family];
        let mut whole = Effort::UNBOUNDED;
        let (most, left) = if family.has_parts() {
            (usize::MAX, &mut whole)
        } else {
            (MESSAGE_SERIES, &mut *effort)
        };
        let escaping = self.style.escaping;
        let mut samples = Vec::new();
        let mut is_last = false;
        while samples.len() < most {
            let found = match self.next_found(left) {
                Step::Found(found) => found,
                Step::Pause => break,
                Step::End => {
                    is_last = true;
                    break;
                }
            };
            let labels = label_set(&self.selection, found, &self.additions);
            let escaped = labels.iter().map(|(name, value)| match name {
                METRIC_NAME => (name.into(), escaping.metric_name(value)),
                _ => (escaping.label_name(name), value.into()),
            });
            samples.push((escaped.collect(), self.sample(found)));
        }
        effort.0 = effort.0.saturating_sub(Effort::UNBOUNDED.0 - whole.0);
        let family = &self.families[self.family];
        if !samples.is_empty() {
            let name = escaping.metric_name(family.name(&self.selection));
            let name = name.into_owned();
            let metadata = Metadata {
                metric_type: family.metric_type,
                help: family.help(&self.selection).into(),
                unit: family.unit(&self.selection).into(),
            };
            let message = MetricFamily {
                name,
                metadata,
                samples,
            };
            exposition::encode_protobuf(&[message], out);
        }
        if is_last {
            effort.0 = effort.0.saturating_sub(1);
            self.family += 1;
        }
    }

    fn sample(&self, found: Found) -> Sample {
        let timestamp_ms = (self.timestamps == Timestamps::Written).then_some(found.timestamp_ms);
        Sample {
            value: found.value,
            timestamp_ms,
        }
    }
}

/// What the lines of one metric name begin with.
#[derive(Debug, Default)]
struct Opening {
    name: Option<Arc<str>>,
    text: Vec<u8>,
    /// The name is quoted, and stands in the braces.
    in_braces: bool,
}

impl Opening {
    fn turn_to(&mut self, name: &Arc<str>, escaping: Escaping) {
        if self.name.as_ref().is_some_and(|it| Arc::ptr_eq(it, name)) {
            return;
        }
        self.text.clear();
        let escaped = escaping.metric_name(name);
        self.in_braces = !is_legacy_metric_name(&escaped);
        if self.in_braces {
            self.text.push(b'{');
            exposition::write_quoted(&mut self.text, &escaped);
            self.text.push(b',');
        } else {
            self.text.extend_from_slice(escaped.as_bytes());
        }
        self.name = Some(Arc::clone(name));
    }
}

/// Appends `name="`, the name escaped or quoted as need be.
pub(crate) fn open_label(name: &str, escaping: Escaping, out: &mut Vec<u8>) {
    let name = escaping.label_name(name);
    if is_legacy_label_name(&name) {
        out.extend_from_slice(name.as_bytes());
    } else {
        exposition::write_quoted(out, &name);
    }
    out.extend_from_slice(b"=\"");
}
