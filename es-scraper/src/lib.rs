//! Skeleton.
pub mod relabel;
