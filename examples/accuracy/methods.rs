//! The methods that the crate has, each within the same number of floats per row.

use scatterbrain::{Features, Method, Options, Support, analysis, attention_with_stats};

use crate::head::Head;
use crate::outcome::{Outcome, RelativeError, Spread};

/// Seeds of the methods that draw random numbers.
const SEEDS: std::ops::Range<u64> = 0..3;

/// Longest head whose dense matrices are looked at for every seed; of longer ones, for the first seed.
const DENSE: usize = 1100;

/// The crate's default method.
pub const DEFAULT: &str = "**clusters + landmarks (default)**";

/// A configuration of the crate.
pub struct Configured {
    pub label: &'static str,
    method: Method,
    support: Option<Support>,
    features: Option<Features>,
    random: bool,
    /// Whether a causal head can have it.
    causal: bool,
}

/// The methods, in the order of the table.
pub fn methods() -> Vec<Configured> {
    let window = Support::Window { size: None };
    let smyrf = Support::Smyrf { cluster: None, rounds: None };
    let lsh = Support::Lsh { rounds: None, chunk: None };
    let top_k = Support::TopK { count: None };
    let favor = |center, balance| Features::Favor { count: None, hyperbolic: false, center, balance };
    let optimal = |center, balance| Features::Optimal { count: None, center, balance, spread: None };
    let sparse = |label, support, random, causal| Configured {
        label,
        method: Method::Sparse,
        support: Some(support),
        features: None,
        random,
        causal,
    };
    let low_rank = |label, features, causal| Configured {
        label,
        method: Method::LowRank,
        support: None,
        features: Some(features),
        random: true,
        causal,
    };
    let both = |label, support, features, causal| Configured {
        label,
        method: Method::Scatterbrain,
        support: Some(support),
        features: Some(features),
        random: true,
        causal,
    };
    vec![
        sparse("window", window.clone(), false, true),
        sparse("SMYRF", smyrf.clone(), true, false),
        sparse("LSH", lsh.clone(), true, true),
        low_rank("FAVOR+", favor(false, false), true),
        low_rank("FAVOR+, centred", favor(true, false), false),
        low_rank("FAVOR+, centred and balanced", favor(true, true), false),
        low_rank("optimal features", optimal(false, false), false),
        low_rank("optimal features, centred and balanced", optimal(true, true), false),
        both("SMYRF + FAVOR+ (paper)", smyrf.clone(), favor(false, false), false),
        both("window + FAVOR+ (authors' code)", window, favor(false, false), true),
        both("LSH + FAVOR+", lsh, favor(false, false), true),
        both("SMYRF + optimal features, centred and balanced", smyrf, optimal(true, true), false),
        sparse("clusters alone", Support::Clusters { count: None }, true, true),
        low_rank("landmarks alone", Features::Landmarks { count: None }, true),
        Configured {
            label: DEFAULT,
            method: Method::Scatterbrain,
            support: None,
            features: None,
            random: true,
            causal: true,
        },
        sparse("top-k (oracle of sparse)", top_k, false, true),
    ]
}

/// Streamed exact attention in f32, whatever the budget.
pub fn exact() -> Configured {
    Configured {
        label: "exact, f32",
        method: Method::Exact,
        support: None,
        features: None,
        random: false,
        causal: true,
    }
}

impl Configured {
    pub fn fits(&self, head: &Head) -> bool {
        self.causal || !head.causal
    }

    /// Runs it on every seed; `reference` is the exact output.
    pub fn run(&self, head: &Head, budget: f64, reference: &[f64]) -> scatterbrain::Result<Outcome> {
        let rows = head.tokens as f64;
        let (q, k, v) = (head.view(&head.q), head.view(&head.k), head.view(&head.v));
        let (mut errors, mut entries, mut features, mut times) = (vec![], vec![], vec![], vec![]);
        let (mut matrix_errors, mut mass) = (vec![], vec![]);
        for seed in if self.random { SEEDS } else { 0..1 } {
            let options = Options {
                method: self.method,
                support: self.support.clone(),
                features: self.features.clone(),
                budget: Some(budget),
                seed,
                ..head.options()
            };
            let (output, stats) = attention_with_stats(q, k, v, &options)?;
            errors.push(RelativeError::of(reference, output.data.iter().map(|&x| f64::from(x))));
            entries.push(stats.support_entries as f64 / rows);
            features.push(stats.features as f64);
            times.push(stats.milliseconds);
            if self.method != Method::Exact && (seed == 0 || head.tokens <= DENSE) {
                let view = analysis::decompose(q, k, v, &options)?;
                let mut error = RelativeError::default();
                let pairs = view.exact.iter().zip(&view.approximation);
                pairs.for_each(|(&x, &y)| error.add(f64::from(x), f64::from(y)));
                matrix_errors.push(error.value());
                let kept = view.exact.iter().zip(&view.support).filter(|(_, support)| **support == 1);
                mass.push(kept.fold(0.0, |sum, (&share, _)| sum + f64::from(share)) / rows);
            }
        }
        Ok(Outcome {
            label: self.label,
            errors,
            matrix_error: Spread::of(&matrix_errors).map(|error| error.mean),
            mass: Spread::of(&mass).map(|mass| mass.mean).filter(|_| self.method != Method::LowRank),
            entries: Spread::of(&entries).map_or(0.0, |x| x.mean),
            features: Spread::of(&features).map_or(0.0, |x| x.mean),
            milliseconds: Spread::of(&times).map(|x| x.mean),
        })
    }
}
