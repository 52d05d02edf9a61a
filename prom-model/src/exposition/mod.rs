//! The text formats that metrics are exposed in.
