//! A sink that keeps what is committed, line by line.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard};

use prom_model::label::LabelSet;
use prom_model::metadata::Metadata;
use prom_model::sample::Sample;
use prom_model::sink::{AppendError, FamilyRef, SeriesRef, Sink, TargetSink};

/// A committed scrape.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Commit {
    pub(crate) target: Arc<LabelSet>,
    pub(crate) at_ms: i64,
    /// Sorted by labels, each once and as far as it was new.
    pub(crate) samples: Vec<(LabelSet, i64, f64)>,
}

#[derive(Debug, Default)]
struct State {
    commits: Vec<Commit>,
    /// Last committed time and value.
    series: HashMap<LabelSet, (i64, f64)>,
    families: BTreeMap<String, Metadata>,
    members: BTreeMap<String, String>,
    /// Series that were resolved and not released.
    held: HashSet<LabelSet>,
    resolved: usize,
    open: usize,
}

/// Keeps what is committed. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Recording(Arc<Mutex<State>>);

impl Recording {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Every committed scrape, in order.
    pub(crate) fn commits(&self) -> Vec<Commit> {
        self.state().commits.clone()
    }

    /// How many writers there are.
    pub(crate) fn writers(&self) -> usize {
        self.state().open
    }

    /// Metadata of each family.
    pub(crate) fn families(&self) -> BTreeMap<String, Metadata> {
        self.state().families.clone()
    }

    /// Family of each series that has one.
    pub(crate) fn members(&self) -> BTreeMap<String, String> {
        self.state().members.clone()
    }

    /// How many series were resolved and not released; all writers count as one.
    pub(crate) fn held(&self) -> usize {
        self.state().held.len()
    }

    /// How often a series was resolved.
    pub(crate) fn resolved(&self) -> usize {
        self.state().resolved
    }

    /// The latest value of the series shown as `series`; a NaN where it is stale.
    pub(crate) fn latest(&self, series: &str) -> Option<f64> {
        let state = self.state();
        let mut all = state.series.iter();
        all.find(|(labels, _)| labels.to_string() == series)
            .map(|(_, (_, value))| *value)
    }

    /// How many series have a latest value that is not stale.
    pub(crate) fn live(&self) -> usize {
        let state = self.state();
        let live = state.series.values().filter(|(_, value)| !is_stale(*value));
        live.count()
    }
}

impl Commit {
    /// A line for each sample of `names`, or of all where there are none.
    pub(crate) fn lines(&self, wanted: impl Fn(&str) -> bool) -> String {
        let mut text = String::new();
        for (labels, at_ms, value) in &self.samples {
            if wanted(labels.metric_name()) {
                write!(text, "{labels} {}", shown(*value)).unwrap();
                if *at_ms != self.at_ms {
                    write!(text, " @{at_ms}").unwrap();
                }
                text.push('\n');
            }
        }
        text
    }
}

fn is_stale(value: f64) -> bool {
    Sample::new(value).is_stale()
}

fn shown(value: f64) -> String {
    if is_stale(value) {
        "stale".to_owned()
    } else {
        value.to_string()
    }
}

impl Sink for Recording {
    fn open(&self, labels: Arc<LabelSet>) -> Box<dyn TargetSink> {
        self.state().open += 1;
        Box::new(Writer {
            recording: self.clone(),
            target: labels,
            series: Vec::new(),
            places: HashMap::new(),
            released: HashSet::new(),
            families: Vec::new(),
            begun: None,
            at_ms: 0,
        })
    }
}

struct Writer {
    recording: Recording,
    target: Arc<LabelSet>,
    series: Vec<LabelSet>,
    places: HashMap<LabelSet, SeriesRef>,
    released: HashSet<SeriesRef>,
    families: Vec<String>,
    begun: Option<HashMap<LabelSet, (i64, f64)>>,
    at_ms: i64,
}

impl TargetSink for Writer {
    fn resolve(&mut self, labels: &LabelSet, family: Option<FamilyRef>) -> SeriesRef {
        if let Some(family) = family {
            let family = self.families[family.0 as usize].clone();
            let mut state = self.recording.state();
            state.members.insert(labels.to_string(), family);
        }
        let mut state = self.recording.state();
        state.resolved += 1;
        state.held.insert(labels.clone());
        let next = SeriesRef(u32::try_from(self.series.len()).unwrap());
        let series = *self.places.entry(labels.clone()).or_insert(next);
        if series == next {
            self.series.push(labels.clone());
        }
        self.released.remove(&series);
        series
    }

    fn describe(&mut self, name: &str, metadata: &Metadata) -> FamilyRef {
        let mut state = self.recording.state();
        state.families.insert(name.to_owned(), metadata.clone());
        let known = self.families.iter().position(|have| have == name);
        let place = known.unwrap_or_else(|| {
            self.families.push(name.to_owned());
            self.families.len() - 1
        });
        FamilyRef(u32::try_from(place).unwrap())
    }

    fn metadata(&mut self, name: &str) -> Option<Metadata> {
        self.recording.state().families.get(name).cloned()
    }

    fn begin(&mut self, timestamp_ms: i64) {
        self.begun = Some(HashMap::new());
        self.at_ms = timestamp_ms;
    }

    fn append(&mut self, series: SeriesRef, sample: Sample) -> Result<(), AppendError> {
        assert!(
            !self.released.contains(&series),
            "a released series is named"
        );
        let labels = &self.series[series.0 as usize];
        let begun = self.begun.as_mut().expect("a scrape was begun");
        let at_ms = sample.timestamp_ms.unwrap_or(self.at_ms);
        let committed = self.recording.state().series.get(labels).copied();
        if let Some((last_ms, last)) = begun.get(labels).copied().or(committed) {
            if at_ms < last_ms {
                return Err(AppendError::OutOfOrder);
            }
            if at_ms == last_ms && last.to_bits() != sample.value.to_bits() {
                return Err(AppendError::DuplicateTimestamp);
            }
        }
        begun.insert(labels.clone(), (at_ms, sample.value));
        Ok(())
    }

    fn commit(&mut self) {
        let begun = self.begun.take().expect("a scrape was begun");
        let mut state = self.recording.state();
        let mut samples: Vec<_> = begun
            .into_iter()
            .map(|(labels, (at_ms, value))| (labels, at_ms, value))
            .collect();
        samples.sort_by(|one, other| one.0.cmp(&other.0));
        for (labels, at_ms, value) in &samples {
            state.series.insert(labels.clone(), (*at_ms, *value));
        }
        state.commits.push(Commit {
            target: Arc::clone(&self.target),
            at_ms: self.at_ms,
            samples,
        });
    }

    fn release(&mut self, series: SeriesRef) {
        assert!(self.released.insert(series), "a series is released twice");
        let labels = &self.series[series.0 as usize];
        self.recording.state().held.remove(labels);
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.recording.state().open -= 1;
    }
}
