//! Which metric family a series is in, and what the exposition says of it.

use std::collections::HashMap;
use std::ops::Range;

use prom_model::exposition::{Entry, Format, Parser, is_member};
use prom_model::metadata::{Metadata, MetricType};
use prom_model::sink::{FamilyRef, TargetSink};

/// The metric family that the comments last read are about.
///
/// Comments are looked at twice only where something is new: known from the scrape before they are stepped
/// over, and read when a series that isn't known follows.
#[derive(Debug, Default)]
pub(crate) struct CurrentFamily {
    /// Comments not looked at yet.
    unread: Option<Range<usize>>,
    family: Option<Family>,
}

/// What a sink knows of a family, seen from comments that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Knowledge {
    /// Something earlier: the comments change it.
    Former,
    /// The comments have been told before, and others that follow them.
    Latest,
}

#[derive(Debug)]
struct Family {
    name: String,
    metric_type: MetricType,
    reference: FamilyRef,
}

impl CurrentFamily {
    /// Comments that were there last time, too.
    pub(crate) fn known(&mut self, comments: Range<usize>) {
        self.unread = Some(comments);
    }

    /// Comments that weren't: tells `sink` of all families they are about.
    ///
    /// As in Prometheus type, help and unit are independent: what they don't say stays as it was.
    pub(crate) fn describe(
        &mut self,
        body: &[u8],
        format: Format,
        comments: Range<usize>,
        sink: &mut dyn TargetSink,
    ) {
        self.read(body, format, comments, Knowledge::Former, sink);
    }

    fn read(
        &mut self,
        body: &[u8],
        format: Format,
        comments: Range<usize>,
        knowledge: Knowledge,
        sink: &mut dyn TargetSink,
    ) {
        self.unread = None;
        let mut told: HashMap<String, (Metadata, bool)> = HashMap::new();
        let mut last = None;
        let mut parser = Parser::new(&body[comments], format);
        // They have been parsed before; where they end, an OpenMetrics body lacks its end.
        while let Ok(Some(entry)) = parser.next_entry() {
            let name = match &entry {
                Entry::Type { name, .. } | Entry::Help { name, .. } | Entry::Unit { name, .. } => {
                    name.to_string()
                }
                _ => continue,
            };
            let (metadata, holds) = told.entry(name.clone()).or_insert_with(|| {
                let known = sink.metadata(&name);
                let holds = known.is_some() && knowledge == Knowledge::Latest;
                (known.unwrap_or_default(), holds)
            });
            if !*holds {
                match entry {
                    Entry::Type { metric_type, .. } => metadata.metric_type = metric_type,
                    Entry::Help { help, .. } => metadata.help = help.into(),
                    Entry::Unit { unit, .. } => metadata.unit = unit.into(),
                    _ => {}
                }
            }
            last = Some(name);
        }
        let mut families = HashMap::with_capacity(told.len());
        for (name, (metadata, _)) in &told {
            families.insert(name, sink.describe(name, metadata));
        }
        // Comments that say nothing of a family leave the former one in place.
        if let Some(name) = last
            && let (Some(reference), Some(metadata)) = (
                families.get(&name),
                told.get(&name).map(|(metadata, _)| metadata),
            )
        {
            self.family = Some(Family {
                reference: *reference,
                metric_type: metadata.metric_type,
                name,
            });
        }
    }

    /// The family that a series named `metric_name` is in, `None` where the comments before it are
    /// about another one.
    pub(crate) fn of(
        &mut self,
        metric_name: &str,
        body: &[u8],
        format: Format,
        sink: &mut dyn TargetSink,
    ) -> Option<FamilyRef> {
        if let Some(comments) = self.unread.take() {
            self.read(body, format, comments, Knowledge::Latest, sink);
        }
        let family = self.family.as_ref()?;
        is_member(metric_name, &family.name, family.metric_type).then_some(family.reference)
    }
}
