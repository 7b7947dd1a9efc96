//! The methods that the crate has, each within the same number of floats per row.

use scatterbrain::{Features, Method, Options, Support, analysis, attention_with_stats};

use crate::head::Head;
use crate::outcome::{Outcome, Spread, relative_error};

/// Seeds of the methods that draw random numbers.
const SEEDS: std::ops::Range<u64> = 0..3;

/// Longest head whose dense matrices are looked at.
const DENSE: usize = 1100;

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
    let favor = |center| Features::Favor { count: None, hyperbolic: false, center, balance: false };
    let optimal = Features::Optimal { count: None, center: false, balance: false, spread: None };
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
    let both = |label, support, causal| Configured {
        label,
        method: Method::Scatterbrain,
        support: Some(support),
        features: Some(favor(false)),
        random: true,
        causal,
    };
    vec![
        sparse("window", window.clone(), false, true),
        sparse("SMYRF", smyrf.clone(), true, false),
        sparse("LSH", lsh.clone(), true, true),
        low_rank("FAVOR+", favor(false), true),
        low_rank("FAVOR+, centred", favor(true), false),
        low_rank("optimal features", optimal, false),
        both("SMYRF + FAVOR+ (paper)", smyrf, false),
        both("window + FAVOR+ (authors' code)", window, true),
        both("LSH + FAVOR+", lsh, true),
        Configured {
            label: "**clusters + landmarks (default)**",
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
        let (mut errors, mut mass, mut entries, mut features, mut times) = (vec![], vec![], vec![], vec![], vec![]);
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
            errors.push(relative_error(reference, output.data.iter().map(|&x| f64::from(x))));
            entries.push(stats.support_entries as f64 / rows);
            features.push(stats.features as f64);
            times.push(stats.milliseconds);
            if head.tokens <= DENSE && !matches!(self.method, Method::LowRank | Method::Exact) {
                let view = analysis::decompose(q, k, v, &options)?;
                let kept = view.exact.iter().zip(&view.support).filter(|(_, support)| **support == 1);
                mass.push(kept.fold(0.0, |sum, (&share, _)| sum + f64::from(share)) / rows);
            }
        }
        Ok(Outcome {
            label: self.label,
            errors,
            mass: Spread::of(&mass).map(|mass| mass.mean),
            entries: Spread::of(&entries).map_or(0.0, |x| x.mean),
            features: Spread::of(&features).map_or(0.0, |x| x.mean),
            milliseconds: Spread::of(&times).map(|x| x.mean),
        })
    }
}
