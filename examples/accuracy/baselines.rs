//! Exact attention and the estimators that the crate does not have, plainly and in f64.
//!
//! Each of them is a row of logits changed: a key left out gets minus infinity, and keys that one mean stands for all
//! get the mean of their logits, which is the logit of their centroid. Softmax and values are as ever. So they cost
//! more here than they would have to, and no time is given for them.

use crate::clusters::Clusters;
use crate::head::Head;
use crate::outcome::{Outcome, RelativeError};

/// A changed row, and what it stands on.
struct Row {
    logits: Vec<f64>,
    /// The keys whose logit is their own.
    exact: Vec<bool>,
    /// Means used.
    means: usize,
}

/// What a baseline may know besides the logits of the row.
struct Setting<'a> {
    floats: usize,
    /// Keys in all; the row has as many logits as it sees.
    keys: usize,
    causal: bool,
    /// As many as half of the floats.
    clusters: &'a Clusters,
}

type Baseline = fn(&Setting, &[f64]) -> Row;

const BASELINES: [(&str, Baseline); 5] = [
    ("every s-th key", strided),
    ("block means", block_means),
    ("search in clusters + one mean", search_and_mean),
    ("top-k + one mean (oracle)", top_k_and_mean),
    ("top-k + centroids (oracle)", top_k_and_centroids),
];

/// The exact attention of a head, and the baselines' outcomes.
pub struct Reference {
    /// `[tokens, dim]`.
    pub output: Vec<f64>,
    /// Mean over rows, in nats.
    pub entropy: f64,
    /// Budget by budget.
    pub baselines: Vec<Vec<Outcome>>,
}

/// Runs exact attention and every baseline.
pub fn reference(head: &Head, budgets: &[f64]) -> Reference {
    let (mut output, mut entropy) = (Vec::with_capacity(head.tokens * head.dim), 0.0);
    let clusters: Vec<Clusters> = budgets.iter().map(|&budget| Clusters::new(head, head.floats(budget) / 2)).collect();
    let mut runs: Vec<Vec<Running>> =
        budgets.iter().map(|_| BASELINES.iter().map(|_| Running::default()).collect()).collect();
    for query in 0..head.tokens {
        let logits = logits(head, query);
        let weights = softmax(&logits);
        entropy -= weights.iter().filter(|&&p| p > 0.0).map(|p| p * p.ln()).sum::<f64>();
        output.extend(output_row(head, &weights));
        for ((&budget, clusters), runs) in budgets.iter().zip(&clusters).zip(&mut runs) {
            let floats = head.floats(budget);
            let setting = Setting { floats, keys: head.tokens, causal: head.causal, clusters };
            for (run, (_, estimator)) in runs.iter_mut().zip(BASELINES) {
                run.add(head, estimator(&setting, &logits), &weights);
            }
        }
    }
    let baselines = runs.into_iter().map(|runs| {
        runs.into_iter().zip(BASELINES).map(|(run, (label, _))| run.finish(label, &output, head.tokens)).collect()
    });
    let baselines = baselines.collect();
    Reference { baselines, entropy: entropy / head.tokens as f64, output }
}

/// A baseline some rows on.
#[derive(Default)]
struct Running {
    output: Vec<f64>,
    matrix: RelativeError,
    entries: usize,
    means: usize,
    mass: f64,
}

impl Running {
    fn add(&mut self, head: &Head, row: Row, exact: &[f64]) {
        let weights = softmax(&row.logits);
        self.output.extend(output_row(head, &weights));
        exact.iter().zip(&weights).for_each(|(&x, &y)| self.matrix.add(x, y));
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
            errors: vec![RelativeError::of(exact, self.output.iter().copied())],
            matrix_error: Some(self.matrix.value()),
            mass: (self.entries > 0).then_some(self.mass / rows as f64),
            entries: per_row(self.entries),
            features: per_row(self.means),
            milliseconds: None,
        }
    }
}

/// Softmax over every s-th key, the first one among them.
fn strided(setting: &Setting, logits: &[f64]) -> Row {
    let stride = setting.keys.div_ceil(setting.floats);
    let exact: Vec<bool> = (0..logits.len()).map(|key| key % stride == 0).collect();
    let kept = logits.iter().zip(&exact).map(|(&logit, &exact)| if exact { logit } else { f64::NEG_INFINITY });
    Row { logits: kept.collect(), exact, means: 0 }
}

/// As many blocks of neighbouring keys as there are floats, each with its centroid and mean value. Causal: blocks that end
/// before the query as means, the one that it is in exactly; they are the smallest that keep the longest row
/// within the budget, or where none do, as long as the square root of the keys, which takes the least.
fn block_means(setting: &Setting, logits: &[f64]) -> Row {
    let &Setting { floats, keys, .. } = setting;
    let mut row = Row { logits: logits.to_vec(), exact: vec![false; logits.len()], means: floats };
    if !setting.causal {
        let bounds: Vec<usize> = (0..=floats).map(|block| block * keys / floats).collect();
        bounds.windows(2).for_each(|ends| level(&mut row.logits[ends[0]..ends[1]]));
        return row;
    }
    let size = (1..=keys).find(|size| size + keys / size <= floats).unwrap_or((keys as f64).sqrt() as usize);
    row.means = logits.len() / size;
    row.logits[..row.means * size].chunks_exact_mut(size).for_each(level);
    row.exact[row.means * size..].fill(true);
    row
}

/// An inverted file: half of the floats are centroids, which the query compares; the other half the keys of the best
/// clusters. One mean for every other key in sight. Causal: the clusters know the future, which can only help.
fn search_and_mean(setting: &Setting, logits: &[f64]) -> Row {
    let means = setting.clusters.mean_logits(logits);
    let mut order: Vec<u32> = (0..logits.len() as u32).collect();
    let cluster = |key: u32| setting.clusters.labels[key as usize];
    order.sort_by(|&a, &b| means[cluster(b)].total_cmp(&means[cluster(a)]).then(cluster(a).cmp(&cluster(b))));
    let mut row = keep_and_mean(logits, &order, setting.floats - setting.clusters.count());
    row.means += setting.clusters.count();
    row
}

/// The largest logits, found by looking at all of them, and one mean for every other key in sight.
fn top_k_and_mean(setting: &Setting, logits: &[f64]) -> Row {
    keep_and_mean(logits, &top(logits, setting.floats - 1), setting.floats - 1)
}

/// The largest logits for half of the floats, and for every other key the centroid of its cluster, to second order.
fn top_k_and_centroids(setting: &Setting, logits: &[f64]) -> Row {
    let means = setting.clusters.mean_logits(logits);
    let count = setting.floats - setting.clusters.count();
    let mut row = Row { logits: logits.to_vec(), exact: vec![true; logits.len()], means: 0 };
    for &key in top(logits, count).iter().skip(count) {
        let cluster = setting.clusters.labels[key as usize];
        row.logits[key as usize] = means[cluster] + setting.clusters.half_variances[cluster].ln_1p();
        row.exact[key as usize] = false;
        row.means = setting.clusters.count();
    }
    row
}

/// The first `count` keys of `order` as they are, one mean for the rest.
fn keep_and_mean(logits: &[f64], order: &[u32], count: usize) -> Row {
    let mut row = Row { logits: logits.to_vec(), exact: vec![true; logits.len()], means: 0 };
    let rest = &order[count.min(order.len())..];
    let mean = rest.iter().map(|&key| logits[key as usize]).sum::<f64>() / rest.len() as f64;
    for &key in rest {
        (row.logits[key as usize], row.exact[key as usize]) = (mean, false);
        row.means = 1;
    }
    row
}

/// All keys, those with the `count` largest logits first.
pub fn top(logits: &[f64], count: usize) -> Vec<u32> {
    let mut order: Vec<u32> = (0..logits.len() as u32).collect();
    if (1..logits.len()).contains(&count) {
        order.select_nth_unstable_by(count, |&a, &b| logits[b as usize].total_cmp(&logits[a as usize]));
    }
    order
}

/// Every number becomes their mean.
fn level(numbers: &mut [f64]) {
    let mean = numbers.iter().sum::<f64>() / numbers.len() as f64;
    numbers.fill(mean);
}

pub fn logits(head: &Head, query: usize) -> Vec<f64> {
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

pub fn softmax(logits: &[f64]) -> Vec<f64> {
    let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut weights: Vec<f64> = logits.iter().map(|logit| (logit - largest).exp()).collect();
    let total: f64 = weights.iter().sum();
    weights.iter_mut().for_each(|weight| *weight /= total);
    weights
}

pub fn output_row(head: &Head, weights: &[f64]) -> Vec<f64> {
    let mut sums = vec![0.0; head.dim];
    for (value, &weight) in head.v.chunks_exact(head.dim).zip(weights).filter(|(_, weight)| **weight != 0.0) {
        sums.iter_mut().zip(value).for_each(|(sum, &x)| *sum += weight * f64::from(x));
    }
    sums
}
