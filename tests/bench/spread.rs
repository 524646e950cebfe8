//! Many measurements of one thing.

use std::fmt;
use std::time::Duration;

/// Sorted, so that the worst is the last and the median in the middle: of an even number the upper one.
pub struct Spread(Vec<f64>);

impl Spread {
    pub fn of(durations: impl IntoIterator<Item = Duration>) -> Self {
        let mut seconds: Vec<f64> = durations.into_iter().map(|one| one.as_secs_f64()).collect();
        seconds.sort_by(f64::total_cmp);
        Self(seconds)
    }

    pub fn worst(&self) -> f64 {
        self.0[self.0.len() - 1]
    }

    pub fn median(&self) -> f64 {
        self.0[self.0.len() / 2]
    }

    /// What nine of ten don't exceed.
    #[allow(dead_code, reason = "each benchmark uses its own part of this")]
    pub fn ninth(&self) -> f64 {
        self.0[self.0.len() * 9 / 10]
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2} s ({:.2} s)", self.worst(), self.median())
    }
}
