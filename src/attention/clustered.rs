//! Attention over clusters: what a walk down the tree leaves single is exact, every other cluster is one logit and
//! one mean value. Nothing is subtracted, every weight is positive, and the output stays in the convex hull
//! of the values.

use crate::attention::Head;
use crate::clusters::{Index, Walk};
use crate::error::Result;
use crate::plan::Plan;
use crate::simd::{LANES, Lanes, Panels, accumulate_rows, exp_from, gather_columns, largest_of, row_product, sum};

/// The estimator of `clusters` with `landmarks`, or of landmarks alone.
pub(crate) struct Clustered {
    index: Index,
    budget: usize,
    /// Whether clusters are opened down to single keys.
    to_keys: bool,
    walk: Walk,
    /// Keys that the tree does not hold: exact.
    direct: Vec<u32>,
    direct_logits: Vec<f32>,
    gathered: Vec<Lanes>,
    weights: Vec<f32>,
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
    /// O(keys · log keys · dim); causal, spread over the rows. Not causal, the head needs no values yet.
    pub fn new(plan: &Plan, head: &Head, budget: usize, to_keys: bool) -> Result<Clustered> {
        Ok(Clustered {
            index: Index::new(plan.seed, head)?,
            budget,
            to_keys,
            walk: Walk::default(),
            direct: Vec::new(),
            direct_logits: Vec::new(),
            gathered: vec![[0.0; LANES]; head.dim],
            weights: Vec::new(),
            sum: Vec::new(),
        })
    }

    /// Takes the head's values: before the first row.
    pub fn with_values(mut self, head: &Head) -> Clustered {
        self.index.set_values(head);
        self
    }

    /// Computes row `query` into `out` `[value_dim]`; queries must come in ascending order. O(budget · (dim +
    /// value_dim)).
    pub fn row(&mut self, head: &Head, query: usize, out: &mut [f32]) -> Result<ClusteredRow> {
        self.index.advance(head, query, &mut self.direct)?;
        let q = head.query(query);
        self.direct_logits.clear();
        for keys in self.direct.chunks(LANES) {
            gather_columns(&head.k, keys, &mut self.gathered);
            self.direct_logits.extend_from_slice(&row_product(q, &self.gathered)[..keys.len()]);
        }
        let tree = self.index.tree();
        self.walk.descend(tree, q, self.budget.saturating_sub(self.direct.len()), self.to_keys);

        let parts: [(&Panels, &[u32], &[f32]); 3] = [
            (&head.v, &self.direct, &self.direct_logits),
            (&head.v, self.walk.keys.indices(), self.walk.keys.log_masses()),
            (&tree.values, self.walk.clusters.indices(), self.walk.clusters.log_masses()),
        ];
        let largest = parts.map(|(_, _, log_masses)| largest_of(log_masses));
        let largest = largest_of(&largest);
        self.sum.clear();
        self.sum.resize(head.v.count(), [0.0; LANES]);
        let mut total = 0.0;
        for (values, indices, log_masses) in parts {
            if self.weights.len() < indices.len() {
                self.weights.resize(indices.len(), 0.0);
            }
            let weights = &mut self.weights[..indices.len()];
            exp_from(log_masses, largest, weights);
            accumulate_rows(values, indices, weights, &mut self.sum);
            total += sum(weights);
        }
        let scale = if total > 0.0 { 1.0 / total } else { 0.0 };
        out.iter_mut().zip(self.sum.as_flattened()).for_each(|(out, &x)| *out = (f64::from(x) * scale) as f32);
        let entries = self.direct.len() + self.walk.keys.indices().len();
        Ok(ClusteredRow {
            log_normalizer: f64::from(largest) + total.ln(),
            entries,
            clusters: self.walk.judged() - self.walk.keys.indices().len(),
        })
    }

    /// Hands over each visible key's share of the row computed last.
    pub fn for_each_key(&self, mut receive: impl FnMut(u32, Share)) {
        for (&key, &logit) in self.direct.iter().zip(&self.direct_logits) {
            receive(key, Share { exact: true, log_weight: f64::from(logit), log_low_rank: f64::NEG_INFINITY });
        }
        let tree = self.index.tree();
        // The cluster above the roots counts no keys, and its share is nothing.
        let log_share =
            |cluster: u32, log_mass: f32| f64::from(log_mass) - f64::from(tree.cluster(cluster).len.max(1)).ln();
        for opened in &self.walk.opened {
            let own = tree.cluster(opened.cluster);
            let log_low_rank = log_share(opened.cluster, opened.log_mass);
            for (&key, &log_mass) in own.keys().iter().zip(&self.walk.keys.log_masses()[opened.keys as usize..]) {
                receive(key, Share { exact: true, log_weight: f64::from(log_mass), log_low_rank });
            }
            let before = opened.clusters as usize + own.keys().len();
            for (&child, &log_mass) in own.clusters().iter().zip(self.walk.clusters.log_masses().iter().skip(before)) {
                if log_mass > f32::NEG_INFINITY {
                    let log_weight = log_share(child, log_mass);
                    tree.for_each_key(child, &mut |key| {
                        receive(key, Share { exact: false, log_weight, log_low_rank: log_weight })
                    });
                }
            }
        }
    }
}
