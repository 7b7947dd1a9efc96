//! What is measured of a method on a head.

/// A method on a head at a budget.
pub struct Outcome {
    pub label: &'static str,
    /// `|O - Ô|_F / |O|_F`, one for each seed.
    pub errors: Vec<f64>,
    /// `|P - P̂|_F / |P|_F` of the matrices whose rows sum to 1, mean over the seeds looked at.
    pub matrix_error: Option<f64>,
    /// Share of the exact softmax mass that the support covers, mean over rows; where there is a support and it was
    /// looked at.
    pub mass: Option<f64>,
    /// Entries computed exactly, mean over rows.
    pub entries: f64,
    /// Features, centroids or means per row.
    pub features: f64,
    /// Of the crate's methods only: the others are written to be read.
    pub milliseconds: Option<f64>,
}

/// Mean and range of some numbers.
#[derive(Clone, Copy)]
pub struct Spread {
    pub mean: f64,
    pub min: f64,
    pub max: f64,
}

impl Spread {
    /// `None` of nothing.
    pub fn of(numbers: &[f64]) -> Option<Spread> {
        (!numbers.is_empty()).then(|| Spread {
            mean: numbers.iter().sum::<f64>() / numbers.len() as f64,
            min: numbers.iter().copied().fold(f64::INFINITY, f64::min),
            max: numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        })
    }
}

/// The middle one, or the mean of the middle two; `None` of nothing.
pub fn median(numbers: impl Iterator<Item = f64>) -> Option<f64> {
    let mut sorted: Vec<f64> = numbers.collect();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        n if n % 2 == 1 => Some(sorted[middle]),
        _ => Some((sorted[middle - 1] + sorted[middle]) / 2.0),
    }
}

/// `|X - Y|_F / |X|_F`, summed up element by element.
#[derive(Default)]
pub struct RelativeError {
    difference: f64,
    exact: f64,
}

impl RelativeError {
    pub fn of(exact: &[f64], estimate: impl Iterator<Item = f64>) -> f64 {
        let mut error = RelativeError::default();
        exact.iter().zip(estimate).for_each(|(&x, y)| error.add(x, y));
        error.value()
    }

    pub fn add(&mut self, exact: f64, estimate: f64) {
        self.difference += (exact - estimate).powi(2);
        self.exact += exact.powi(2);
    }

    pub fn value(&self) -> f64 {
        (self.difference / self.exact).sqrt()
    }
}
