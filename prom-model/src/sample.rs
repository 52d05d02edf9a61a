//! Samples, and the value that marks a series as stale.

/// Bits of the NaN that ends a series (`value.StaleNaN` of Prometheus).
pub const STALE_NAN_BITS: u64 = 0x7ff0_0000_0000_0002;
/// Bits of every other NaN once it has been parsed (`value.NormalNaN` of Prometheus).
pub const NORMAL_NAN_BITS: u64 = 0x7ff8_0000_0000_0001;

/// One point of a series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// The value; [`Sample::is_stale`] where it ends the series.
    pub value: f64,
    /// Milliseconds since the Unix epoch as the exposition gave them; `None` takes the scrape's time.
    pub timestamp_ms: Option<i64>,
}

impl Sample {
    /// A sample at its scrape's time.
    #[must_use]
    pub const fn new(value: f64) -> Self {
        Self {
            value,
            timestamp_ms: None,
        }
    }

    /// The marker that ends a series at its scrape's time.
    #[must_use]
    pub const fn stale() -> Self {
        Self::new(f64::from_bits(STALE_NAN_BITS))
    }

    /// Whether this is the marker that ends a series, not an ordinary NaN.
    #[must_use]
    pub const fn is_stale(&self) -> bool {
        is_stale(self.value)
    }
}

/// Whether `value` is the marker that ends a series, not an ordinary NaN.
#[must_use]
pub const fn is_stale(value: f64) -> bool {
    value.to_bits() == STALE_NAN_BITS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_marker_is_stale() {
        assert!(Sample::stale().is_stale());
        assert!(Sample::stale().value.is_nan());
        assert!(!Sample::new(f64::NAN).is_stale());
        assert!(!Sample::new(f64::from_bits(NORMAL_NAN_BITS)).is_stale());
    }
}
