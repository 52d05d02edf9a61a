//! Skeleton.
pub mod relabel;
pub mod target;
