//! Label sets, the identity of targets and series.

use std::fmt;

/// Label that holds the metric name.
pub const METRIC_NAME: &str = "__name__";
/// Label that holds the scrape job's name.
pub const JOB: &str = "job";
/// Label that holds the target's address, unless something else set it.
pub const INSTANCE: &str = "instance";

/// A sorted set of label names with their values.
///
/// Names are unique and compared bytewise; a label with an empty value is an absent label, as
/// everywhere in Prometheus. Names and values are any UTF-8 (Prometheus 3); whether a name keeps
/// to the old character set is asked with [`is_legacy_label_name`].
///
/// The order of two sets is that of Prometheus' `labels.Compare`: pair by pair, name before value.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LabelSet(Vec<(Box<str>, Box<str>)>);

impl LabelSet {
    /// The empty set.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// The value of `name`, or `None` where the label is absent.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.position(name).ok().map(|at| &*self.0[at].1)
    }

    /// The metric name, empty where there is none.
    #[must_use]
    pub fn metric_name(&self) -> &str {
        self.get(METRIC_NAME).unwrap_or_default()
    }

    /// Sets `name` to `value`; an empty value removes the label.
    pub fn set(&mut self, name: &str, value: &str) {
        match (self.position(name), value.is_empty()) {
            (Ok(at), true) => drop(self.0.remove(at)),
            (Ok(at), false) => self.0[at].1 = value.into(),
            (Err(_), true) => {}
            (Err(at), false) => self.0.insert(at, (name.into(), value.into())),
        }
    }

    /// Removes `name` and returns its value, `None` where it was absent.
    pub fn remove(&mut self, name: &str) -> Option<Box<str>> {
        let at = self.position(name).ok()?;
        Some(self.0.remove(at).1)
    }

    /// Keeps the labels for which `keep(name, value)` holds.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, &str) -> bool) {
        self.0.retain(|(name, value)| keep(name, value));
    }

    /// Removes every label and keeps the allocation.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Name and value of each label, sorted by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> + Clone {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// How many labels there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no labels.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn position(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(have, _)| (**have).cmp(name))
    }
}

/// Of several values for one name the last one counts.
impl<N: AsRef<str>, V: AsRef<str>> FromIterator<(N, V)> for LabelSet {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(labels: I) -> Self {
        let mut set = Self::new();
        set.extend(labels);
        set
    }
}

impl<N: AsRef<str>, V: AsRef<str>> Extend<(N, V)> for LabelSet {
    fn extend<I: IntoIterator<Item = (N, V)>>(&mut self, labels: I) {
        for (name, value) in labels {
            self.set(name.as_ref(), value.as_ref());
        }
    }
}

/// `name{label="value", …}`, the metric name inside the braces and quoted where it isn't a legacy name.
impl fmt::Display for LabelSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.metric_name();
        let bare = is_legacy_metric_name(name);
        if bare {
            f.write_str(name)?;
        }
        let shown = |label: &str| label != METRIC_NAME || (!bare && !name.is_empty());
        if bare && !self.iter().any(|(label, _)| shown(label)) {
            return Ok(());
        }
        f.write_str("{")?;
        let mut separator = "";
        for (label, value) in self.iter().filter(|(label, _)| shown(label)) {
            f.write_str(separator)?;
            if label == METRIC_NAME {
                write!(f, "{value:?}")?;
            } else if is_legacy_label_name(label) {
                write!(f, "{label}={value:?}")?;
            } else {
                write!(f, "{label:?}={value:?}")?;
            }
            separator = ", ";
        }
        f.write_str("}")
    }
}

impl fmt::Debug for LabelSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// Whether `name` matches `[a-zA-Z_][a-zA-Z0-9_]*`, a label name that every version of Prometheus takes.
#[must_use]
pub fn is_legacy_label_name(name: &str) -> bool {
    is_legacy(name, |byte| byte == b'_')
}

/// Whether `name` matches `[a-zA-Z_:][a-zA-Z0-9_:]*`, a metric name that every version of Prometheus takes.
#[must_use]
pub fn is_legacy_metric_name(name: &str) -> bool {
    is_legacy(name, |byte| (byte == b'_') | (byte == b':'))
}

fn is_legacy(name: &str, special: impl Fn(u8) -> bool) -> bool {
    let begins_well = name
        .bytes()
        .next()
        .is_some_and(|byte| !byte.is_ascii_digit());
    let fits = |byte: u8| byte.is_ascii_alphanumeric() | special(byte);
    // Without a way out of the loop many bytes are looked at in one step. Hardly any name fails.
    begins_well && name.bytes().fold(true, |all, byte| all & fits(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(labels: &[(&str, &str)]) -> LabelSet {
        labels.iter().copied().collect()
    }

    #[test]
    fn an_empty_value_is_an_absent_label() {
        let mut labels = set(&[("b", "2"), ("a", "1"), ("c", "")]);
        assert_eq!(labels.iter().collect::<Vec<_>>(), [("a", "1"), ("b", "2")]);
        labels.set("a", "");
        labels.set("d", "");
        assert_eq!(labels, set(&[("b", "2")]));
    }

    #[test]
    fn the_last_value_of_a_name_counts() {
        assert_eq!(set(&[("a", "1"), ("a", "2")]).get("a"), Some("2"));
        assert_eq!(set(&[("a", "1"), ("a", "")]).get("a"), None);
    }

    #[test]
    fn order_is_that_of_prometheus() {
        let f = |a: &[(&str, &str)], b: &[(&str, &str)]| assert!(set(a) < set(b), "{a:?} < {b:?}");
        f(&[("a", "1")], &[("a", "2")]);
        f(&[("a", "9")], &[("b", "1")]);
        f(&[("a", "1")], &[("a", "1"), ("b", "1")]);
    }

    #[test]
    fn display_quotes_what_is_not_legacy() {
        let f = |labels: &[(&str, &str)], want: &str| assert_eq!(set(labels).to_string(), want);
        f(&[("__name__", "up")], "up");
        f(&[("__name__", "up"), ("a", "x\"y")], r#"up{a="x\"y"}"#);
        f(
            &[("__name__", "my.metric"), ("a.b", "c")],
            r#"{"my.metric", "a.b"="c"}"#,
        );
        f(&[], "{}");
    }

    #[test]
    fn legacy_names() {
        for name in ["a", "_", "a1", "A_b9"] {
            assert!(is_legacy_label_name(name), "{name}");
        }
        for name in ["", "1a", "a:b", "a.b", "ä"] {
            assert!(!is_legacy_label_name(name), "{name}");
        }
        assert!(is_legacy_metric_name(":a:b"));
    }
}
