//! Exact attention and the estimators that the crate does not have, plainly and in f64.
//!
//! Each of them is a row of logits changed: a key left out gets minus infinity, and keys that one mean stands for all
//! get the mean of their logits, which is the logit of their centroid. Softmax and values are as ever. So they cost
//! more here than they would have to, and no time is given for them.

use crate::head::Head;
use crate::outcome::{Outcome, relative_error};

/// A changed row, and what it stands on.
struct Row {
    logits: Vec<f64>,
    /// The keys whose logit is their own.
    exact: Vec<bool>,
    /// Means used.
    means: usize,
}

type Baseline = fn(&[f64], usize, usize) -> Row;

const BASELINES: [(&str, Baseline, Baseline); 3] = [
    ("every s-th key", strided, strided),
    ("block means", block_means, block_means_causal),
    ("top-k + one mean (oracle)", top_k_and_mean, top_k_and_mean),
];

/// The exact output, and the baselines' outcomes at each budget, budget by budget.
pub fn exact_and_baselines(head: &Head, budgets: &[f64]) -> (Vec<f64>, Vec<Vec<Outcome>>) {
    let mut exact = Vec::with_capacity(head.tokens * head.dim);
    let mut runs: Vec<Vec<Running>> =
        budgets.iter().map(|_| BASELINES.iter().map(|_| Running::default()).collect()).collect();
    for query in 0..head.tokens {
        let logits = logits(head, query);
        let weights = softmax(&logits);
        exact.extend(output(head, &weights));
        for (&budget, runs) in budgets.iter().zip(&mut runs) {
            for (run, (_, full, causal)) in runs.iter_mut().zip(BASELINES) {
                let estimator = if head.causal { causal } else { full };
                run.add(head, estimator(&logits, head.floats(budget), head.tokens), &weights);
            }
        }
    }
    let outcomes = runs.into_iter().map(|runs| {
        runs.into_iter().zip(BASELINES).map(|(run, (label, ..))| run.finish(label, &exact, head.tokens)).collect()
    });
    let outcomes = outcomes.collect();
    (exact, outcomes)
}

/// A baseline some rows on.
#[derive(Default)]
struct Running {
    output: Vec<f64>,
    entries: usize,
    means: usize,
    mass: f64,
}

impl Running {
    fn add(&mut self, head: &Head, row: Row, exact: &[f64]) {
        self.output.extend(output(head, &softmax(&row.logits)));
        self.means += row.means;
        for (&weight, _) in exact.iter().zip(&row.exact).filter(|(_, exact)| **exact) {
            self.entries += 1;
            self.mass += weight;
        }
    }

    fn finish(self, label: &'static str, exact: &[f64], rows: usize) -> Outcome {
        let per_row = |count: usize| count as f64 / rows as f64;
        Outcome {
            label,
            errors: vec![relative_error(exact, self.output.iter().copied())],
            mass: (self.entries > 0).then_some(self.mass / rows as f64),
            entries: per_row(self.entries),
            features: per_row(self.means),
            milliseconds: None,
        }
    }
}

/// Softmax over every s-th key, the first one among them.
fn strided(logits: &[f64], floats: usize, keys: usize) -> Row {
    let stride = keys.div_ceil(floats);
    let exact: Vec<bool> = (0..logits.len()).map(|key| key % stride == 0).collect();
    let kept = logits.iter().zip(&exact).map(|(&logit, &exact)| if exact { logit } else { f64::NEG_INFINITY });
    Row { logits: kept.collect(), exact, means: 0 }
}

/// As many blocks of neighbouring keys as there are floats, each with its centroid and mean value.
fn block_means(logits: &[f64], floats: usize, keys: usize) -> Row {
    let bounds: Vec<usize> = (0..=floats).map(|block| block * keys / floats).collect();
    let mut row = Row { logits: logits.to_vec(), exact: vec![false; keys], means: floats };
    bounds.windows(2).for_each(|ends| level(&mut row.logits[ends[0]..ends[1]]));
    row
}

/// Blocks that end before the query as means, the one that it is in exactly. The blocks are the smallest that keep
/// the longest row within the budget; where none do, the square root of the keys, which takes the least.
fn block_means_causal(logits: &[f64], floats: usize, keys: usize) -> Row {
    let size = (1..=keys).find(|size| size + keys / size <= floats).unwrap_or((keys as f64).sqrt() as usize);
    let closed = logits.len() / size;
    let mut row = Row { logits: logits.to_vec(), exact: vec![false; logits.len()], means: closed };
    row.logits[..closed * size].chunks_exact_mut(size).for_each(level);
    row.exact[closed * size..].fill(true);
    row
}

/// The largest logits, found by looking at all of them, and one mean for every other key in sight.
fn top_k_and_mean(logits: &[f64], floats: usize, _: usize) -> Row {
    let mut row = Row { logits: logits.to_vec(), exact: vec![true; logits.len()], means: 0 };
    let count = floats - 1;
    if count >= logits.len() {
        return row;
    }
    let mut order: Vec<usize> = (0..logits.len()).collect();
    if count > 0 {
        order.select_nth_unstable_by(count, |&a, &b| logits[b].total_cmp(&logits[a]));
    }
    let rest = &order[count..];
    let mean = rest.iter().map(|&key| logits[key]).sum::<f64>() / rest.len() as f64;
    for &key in rest {
        (row.logits[key], row.exact[key]) = (mean, false);
    }
    row.means = 1;
    row
}

/// Every number becomes their mean.
fn level(numbers: &mut [f64]) {
    let mean = numbers.iter().sum::<f64>() / numbers.len() as f64;
    numbers.fill(mean);
}

fn logits(head: &Head, query: usize) -> Vec<f64> {
    let q: Vec<f64> = head.q[query * head.dim..][..head.dim].iter().map(|&x| f64::from(x) * head.scale).collect();
    let keys = head.k.chunks_exact(head.dim).take(head.visible(query));
    keys.map(|key| {
        // Four sums, which the processor can add to at the same time.
        let mut sums = [0.0; 4];
        for (q, key) in q.chunks(4).zip(key.chunks(4)) {
            sums.iter_mut().zip(q.iter().zip(key)).for_each(|(sum, (q, &x))| *sum += q * f64::from(x));
        }
        sums.iter().sum()
    })
    .collect()
}

fn softmax(logits: &[f64]) -> Vec<f64> {
    let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut weights: Vec<f64> = logits.iter().map(|logit| (logit - largest).exp()).collect();
    let total: f64 = weights.iter().sum();
    weights.iter_mut().for_each(|weight| *weight /= total);
    weights
}

fn output(head: &Head, weights: &[f64]) -> Vec<f64> {
    let mut sums = vec![0.0; head.dim];
    for (value, &weight) in head.v.chunks_exact(head.dim).zip(weights).filter(|(_, weight)| **weight > 0.0) {
        sums.iter_mut().zip(value).for_each(|(sum, &x)| *sum += weight * f64::from(x));
    }
    sums
}
