//! Attention over clusters: what a walk down the trees leaves single is exact, every other cluster is one logit and
//! one mean value. Nothing is subtracted, every weight is positive, and the output stays in the convex hull
//! of the values.

use crate::attention::Head;
use crate::clusters::{Forest, Judged, Walk};
use crate::error::Result;
use crate::plan::Plan;
use crate::simd::{LANES, Lanes, accumulate_rows, exp_from, gather_columns, row_product};

/// The estimator of `clusters` with `landmarks`, or of landmarks alone.
pub(crate) struct Clustered {
    forest: Forest,
    budget: usize,
    /// Whether clusters are opened down to single keys.
    to_keys: bool,
    walk: Walk,
    /// Keys that no tree holds: exact.
    direct: Vec<u32>,
    direct_logits: Vec<f32>,
    /// Logarithms of the masses of one tree's nodes.
    log_mass: Vec<f32>,
    gathered: Vec<Lanes>,
    weights: Vec<f32>,
    indices: Vec<u32>,
    sum: Vec<Lanes>,
}

/// How a row came out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClusteredRow {
    /// ln Z; -inf for a row without mass.
    pub log_normalizer: f64,
    /// Keys computed exactly.
    pub entries: usize,
    /// Clusters judged.
    pub clusters: usize,
}

/// What one key has of a row, before it is normalised.
pub(crate) struct Share {
    pub exact: bool,
    pub log_weight: f64,
    /// The weight that the key would have as a member of its cluster; -inf where it is in none.
    pub log_low_rank: f64,
}

impl Clustered {
    /// O(keys · log keys · dim); causal, spread over the rows.
    pub fn new(plan: &Plan, head: &Head, budget: usize, to_keys: bool) -> Result<Clustered> {
        Ok(Clustered {
            forest: Forest::new(plan.seed, head)?,
            budget,
            to_keys,
            walk: Walk::default(),
            direct: Vec::new(),
            direct_logits: Vec::new(),
            log_mass: Vec::new(),
            gathered: vec![[0.0; LANES]; head.dim],
            weights: Vec::new(),
            indices: Vec::new(),
            sum: Vec::new(),
        })
    }

    /// Computes row `query` into `out` `[value_dim]`; queries must come in ascending order. O(budget · (dim +
    /// value_dim)).
    pub fn row(&mut self, head: &Head, query: usize, out: &mut [f32]) -> Result<ClusteredRow> {
        self.forest.advance(head, query, &mut self.direct)?;
        let q = head.query(query);
        self.direct_logits.clear();
        for keys in self.direct.chunks(LANES) {
            gather_columns(&head.k, keys, &mut self.gathered);
            self.direct_logits.extend_from_slice(&row_product(q, &self.gathered)[..keys.len()]);
        }
        self.walk.descend(&self.forest.trees, q, self.budget.saturating_sub(self.direct.len()), self.to_keys);

        let direct = self.direct_logits.iter().copied();
        let largest =
            self.walk.frontier().map(|judged| judged.log_mass).chain(direct).fold(f32::NEG_INFINITY, f32::max);
        self.sum.clear();
        self.sum.resize(head.v.count(), [0.0; LANES]);
        self.weights.resize(self.direct_logits.len(), 0.0);
        exp_from(&self.direct_logits, largest, &mut self.weights);
        let mut total = sum_of(&self.weights);
        accumulate_rows(&head.v, &self.direct, &self.weights, &mut self.sum);
        let mut row = ClusteredRow { log_normalizer: 0.0, entries: self.direct.len(), clusters: 0 };
        for (t, tree) in (0u32..).zip(&self.forest.trees) {
            self.indices.clear();
            self.log_mass.clear();
            for judged in self.walk.frontier().filter(|judged| judged.tree == t) {
                self.indices.push(judged.node);
                self.log_mass.push(judged.log_mass);
                row.entries += usize::from(tree.node(judged.node).len == 1);
            }
            self.weights.resize(self.log_mass.len(), 0.0);
            exp_from(&self.log_mass, largest, &mut self.weights);
            total += sum_of(&self.weights);
            accumulate_rows(&tree.values, &self.indices, &self.weights, &mut self.sum);
        }
        row.clusters = self.direct.len() + self.walk.judged.len() - row.entries;
        let scale = if total > 0.0 { 1.0 / total } else { 0.0 };
        out.iter_mut().zip(self.sum.as_flattened()).for_each(|(out, &x)| *out = (f64::from(x) * scale) as f32);
        row.log_normalizer = f64::from(largest) + total.ln();
        Ok(row)
    }

    /// Hands over each visible key's share of the row computed last.
    pub fn for_each_key(&self, mut receive: impl FnMut(u32, Share)) {
        for (&key, &logit) in self.direct.iter().zip(&self.direct_logits) {
            receive(key, Share { exact: true, log_weight: f64::from(logit), log_low_rank: f64::NEG_INFINITY });
        }
        for judged in self.walk.frontier() {
            let tree = &self.forest.trees[judged.tree as usize];
            let per_key = |judged: &Judged| f64::from(judged.log_mass) - f64::from(tree.node(judged.node).len).ln();
            let log_weight = per_key(judged);
            let keys = tree.keys(judged.node);
            let exact = keys.len() == 1;
            let log_low_rank = if exact {
                let parent = tree.node(judged.node).parent;
                let opened = self.walk.judged.iter().find(|other| other.tree == judged.tree && other.node == parent);
                opened.map_or(f64::NEG_INFINITY, per_key)
            } else {
                log_weight
            };
            keys.iter().for_each(|&key| receive(key, Share { exact, log_weight, log_low_rank }));
        }
    }
}

fn sum_of(weights: &[f32]) -> f64 {
    weights.iter().map(|&x| f64::from(x)).sum()
}
