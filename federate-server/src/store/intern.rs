//! What many targets have in common, held once for the process.
//!
//! The nodes of a fleet expose the same metrics: the same names with the same few labels of their own.
//! Everything here is reference counted; [`Interner::sweep`] drops what only the interner holds.

use std::hash::{BuildHasher, Hash};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use prom_model::metadata::Metadata;

/// The names of the labels that a series has beyond its [`super::table::Base`], sorted.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Layout(pub(crate) Box<[Arc<str>]>);

/// One label, as many series of one or more targets have it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Label {
    pub(crate) name: Arc<str>,
    pub(crate) value: Arc<str>,
}

/// A metric name with labels of its own: what is left of a series without its base.
#[derive(Debug)]
pub(crate) struct Shape {
    pub(crate) name: Arc<str>,
    pub(crate) layout: Arc<Layout>,
    /// One value for each name of the layout.
    pub(crate) values: Box<[Arc<str>]>,
    /// The family that the target says the series is a member of, if it says any.
    pub(crate) family: Option<Arc<Family>>,
    /// Sum of the hashes of its labels, see [`Interner::label_hash`].
    pub(crate) hash: u64,
}

impl Shape {
    /// Names and values of its own labels, without the metric name, sorted by name.
    pub(crate) fn own(&self) -> impl ExactSizeIterator<Item = (&str, &str)> + Clone {
        self.layout
            .0
            .iter()
            .zip(&self.values)
            .map(|(name, value)| (&**name, &**value))
    }

    /// The value of its own label `name`, empty where it has none.
    pub(crate) fn own_value(&self, name: &str) -> &str {
        let at = self.layout.0.binary_search_by(|have| (**have).cmp(name));
        at.map_or("", |at| &self.values[at])
    }
}

/// A metric family as one or more targets describe it.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Family {
    pub(crate) name: Arc<str>,
    pub(crate) metadata: Metadata,
}

/// Finds the one copy of a string, label, layout, shape or family.
#[derive(Debug, Default)]
pub(crate) struct Interner {
    hasher: RandomState,
    pools: Mutex<Pools>,
}

#[derive(Debug, Default)]
struct Pools {
    strings: HashTable<Arc<str>>,
    labels: HashTable<Arc<Label>>,
    layouts: HashTable<Arc<Layout>>,
    shapes: HashTable<Arc<Shape>>,
    families: HashTable<Arc<Family>>,
}

impl Interner {
    /// Hash of one label. A label set's hash is the wrapping sum of its labels', so that the hash of
    /// a series is that of its base plus that of its shape.
    pub(crate) fn label_hash(&self, name: &str, value: &str) -> u64 {
        self.hasher.hash_one((name, value))
    }

    /// Hash of a label set.
    pub(crate) fn labels_hash<'a>(&self, labels: impl Iterator<Item = (&'a str, &'a str)>) -> u64 {
        labels
            .map(|(name, value)| self.label_hash(name, value))
            .fold(0, u64::wrapping_add)
    }

    /// The label `name` with `value`.
    pub(crate) fn label(&self, name: &str, value: &str) -> Arc<Label> {
        let hash = self.label_hash(name, value);
        let mut pools = self.pools();
        let Pools {
            strings, labels, ..
        } = &mut *pools;
        let entry = labels.entry(
            hash,
            |have| *have.name == *name && *have.value == *value,
            |have| self.label_hash(&have.name, &have.value),
        );
        let label = entry.or_insert_with(|| {
            Arc::new(Label {
                name: intern_str(strings, &self.hasher, name),
                value: intern_str(strings, &self.hasher, value),
            })
        });
        Arc::clone(label.get())
    }

    /// The shape with metric name `name` and `own` labels, sorted by name, in `family`.
    pub(crate) fn shape(
        &self,
        name: &str,
        own: &[(&str, &str)],
        family: Option<&Arc<Family>>,
    ) -> Arc<Shape> {
        let name_label = (prom_model::label::METRIC_NAME, name);
        let hash = self.labels_hash(own.iter().copied().chain([name_label]));
        let mut pools = self.pools();
        let known = pools.shapes.find(hash, |shape| {
            shape.hash == hash
                && same_family(shape.family.as_ref(), family)
                && *shape.name == *name
                && shape.own().eq(own.iter().copied())
        });
        if let Some(shape) = known {
            return Arc::clone(shape);
        }
        let pools = &mut *pools;
        let names = own
            .iter()
            .map(|(name, _)| intern_str(&mut pools.strings, &self.hasher, name));
        let layout = intern(&mut pools.layouts, &self.hasher, Layout(names.collect()));
        let values = own
            .iter()
            .map(|(_, value)| intern_str(&mut pools.strings, &self.hasher, value))
            .collect();
        let name = intern_str(&mut pools.strings, &self.hasher, name);
        let shape = Arc::new(Shape {
            name,
            layout,
            values,
            family: family.map(Arc::clone),
            hash,
        });
        pools
            .shapes
            .insert_unique(hash, Arc::clone(&shape), |shape| shape.hash);
        shape
    }

    /// The family of this name and metadata.
    pub(crate) fn family(&self, name: &str, metadata: &Metadata) -> Arc<Family> {
        let mut pools = self.pools();
        let pools = &mut *pools;
        let name = intern_str(&mut pools.strings, &self.hasher, name);
        intern(
            &mut pools.families,
            &self.hasher,
            Family {
                name,
                metadata: metadata.clone(),
            },
        )
    }

    /// Drops whatever nobody but the interner holds.
    pub(crate) fn sweep(&self) {
        let mut pools = self.pools();
        pools.shapes.retain(|shape| Arc::strong_count(shape) > 1);
        pools.labels.retain(|label| Arc::strong_count(label) > 1);
        pools.layouts.retain(|layout| Arc::strong_count(layout) > 1);
        pools
            .families
            .retain(|family| Arc::strong_count(family) > 1);
        pools.strings.retain(|text| Arc::strong_count(text) > 1);
        let Pools {
            strings,
            labels,
            layouts,
            shapes,
            families,
        } = &mut *pools;
        labels.shrink_to_fit(|label| self.label_hash(&label.name, &label.value));
        shapes.shrink_to_fit(|shape| shape.hash);
        layouts.shrink_to_fit(|layout| self.hasher.hash_one(layout));
        families.shrink_to_fit(|family| self.hasher.hash_one(family));
        strings.shrink_to_fit(|text| self.hasher.hash_one(text));
    }

    fn pools(&self) -> MutexGuard<'_, Pools> {
        // Every change leaves the pools whole, so a panic elsewhere while they were locked does no harm.
        self.pools.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether both are the same copy, or none.
pub(crate) fn same_family(a: Option<&Arc<Family>>, b: Option<&Arc<Family>>) -> bool {
    a.map(Arc::as_ptr) == b.map(Arc::as_ptr)
}

fn intern<T: Hash + Eq>(pool: &mut HashTable<Arc<T>>, hasher: &RandomState, value: T) -> Arc<T> {
    let hash = hasher.hash_one(&value);
    let entry = pool.entry(hash, |have| **have == value, |have| hasher.hash_one(have));
    Arc::clone(entry.or_insert_with(|| Arc::new(value)).get())
}

fn intern_str(pool: &mut HashTable<Arc<str>>, hasher: &RandomState, text: &str) -> Arc<str> {
    let entry = pool.entry(
        hasher.hash_one(text),
        |have| **have == *text,
        |have| hasher.hash_one(&**have),
    );
    Arc::clone(entry.or_insert_with(|| Arc::from(text)).get())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_shape_is_held_once() {
        let interner = Interner::default();
        let own = [("cpu", "cpu0"), ("mode", "idle")];
        let shape = interner.shape("cpu_usage", &own, None);
        assert!(Arc::ptr_eq(
            &shape,
            &interner.shape("cpu_usage", &own, None)
        ));
        let other = interner.shape("cpu_usage", &[("cpu", "cpu1"), ("mode", "idle")], None);
        assert!(!Arc::ptr_eq(&shape, &other));
        assert!(Arc::ptr_eq(&shape.layout, &other.layout));
        assert!(Arc::ptr_eq(&shape.values[1], &other.values[1]));
        assert_eq!(shape.own().collect::<Vec<_>>(), own);
        assert_eq!(
            (shape.own_value("cpu"), shape.own_value("none")),
            ("cpu0", "")
        );
    }

    #[test]
    fn sweeping_drops_what_nobody_holds() {
        let interner = Interner::default();
        let kept = interner.shape("kept", &[("a", "1")], None);
        drop(interner.shape("gone", &[("b", "2")], None));
        interner.sweep();
        let pools = interner.pools();
        assert_eq!(
            (pools.shapes.len(), pools.layouts.len(), pools.strings.len()),
            (1, 1, 3)
        );
        drop(pools);
        assert!(Arc::ptr_eq(
            &kept,
            &interner.shape("kept", &[("a", "1")], None)
        ));
    }
}
