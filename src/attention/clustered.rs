//! Attention over clusters: what a walk down the tree leaves single is exact, every other cluster is one logit and
//! one mean value. Nothing is subtracted, every weight is positive, and the output stays in the convex hull
//! of the values.

use crate::attention::Head;
use crate::clusters::{Child, Index, Judged, Walk};
use crate::error::Result;
use crate::plan::Plan;
use crate::simd::{LANES, Lanes, Panels, accumulate_rows, exp_from, gather_columns, row_product};

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
    keys: Part,
    clusters: Part,
    sum: Vec<Lanes>,
}

/// Some rows of values, and what they weigh.
#[derive(Default)]
struct Part {
    rows: Vec<u32>,
    log_mass: Vec<f32>,
    weights: Vec<f32>,
}

impl Part {
    fn clear(&mut self) {
        self.rows.clear();
        self.log_mass.clear();
    }

    fn push(&mut self, row: u32, log_mass: f32) {
        self.rows.push(row);
        self.log_mass.push(log_mass);
    }

    /// Adds what it comes to, relative to exp(largest); returns the mass.
    fn add_to(&mut self, sum: &mut [Lanes], values: &Panels, largest: f32) -> f64 {
        self.weights.resize(self.rows.len(), 0.0);
        exp_from(&self.log_mass, largest, &mut self.weights);
        accumulate_rows(values, &self.rows, &self.weights, sum);
        self.weights.iter().map(|&x| f64::from(x)).sum()
    }
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
            index: Index::new(plan.seed, head)?,
            budget,
            to_keys,
            walk: Walk::default(),
            direct: Vec::new(),
            direct_logits: Vec::new(),
            gathered: vec![[0.0; LANES]; head.dim],
            keys: Part::default(),
            clusters: Part::default(),
            sum: Vec::new(),
        })
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

        self.keys.clear();
        self.clusters.clear();
        self.direct.iter().zip(&self.direct_logits).for_each(|(&key, &logit)| self.keys.push(key, logit));
        for judged in self.walk.frontier() {
            match judged.child {
                Child::Key(key) => self.keys.push(key, judged.log_mass),
                Child::Cluster(cluster) => self.clusters.push(cluster, judged.log_mass),
            }
        }
        let logits = self.keys.log_mass.iter().chain(&self.clusters.log_mass);
        let largest = logits.copied().fold(f32::NEG_INFINITY, f32::max);
        self.sum.clear();
        self.sum.resize(head.v.count(), [0.0; LANES]);
        let total = self.keys.add_to(&mut self.sum, &head.v, largest)
            + self.clusters.add_to(&mut self.sum, &tree.values, largest);
        let scale = if total > 0.0 { 1.0 / total } else { 0.0 };
        out.iter_mut().zip(self.sum.as_flattened()).for_each(|(out, &x)| *out = (f64::from(x) * scale) as f32);
        let entries = self.keys.rows.len();
        Ok(ClusteredRow {
            log_normalizer: f64::from(largest) + total.ln(),
            entries,
            clusters: self.direct.len() + self.walk.judged.len() - entries,
        })
    }

    /// Hands over each visible key's share of the row computed last.
    pub fn for_each_key(&self, mut receive: impl FnMut(u32, Share)) {
        for (&key, &logit) in self.direct.iter().zip(&self.direct_logits) {
            receive(key, Share { exact: true, log_weight: f64::from(logit), log_low_rank: f64::NEG_INFINITY });
        }
        let tree = self.index.tree();
        let log_share = |judged: &Judged| match judged.child {
            Child::Key(_) => f64::from(judged.log_mass),
            Child::Cluster(cluster) => f64::from(judged.log_mass) - f64::from(tree.cluster(cluster).len).ln(),
        };
        for judged in self.walk.frontier() {
            let log_weight = log_share(judged);
            let exact = matches!(judged.child, Child::Key(_));
            let parent = &self.walk.judged[judged.parent as usize];
            let log_low_rank = match parent.child {
                // The only root that is a key is that of a single key.
                Child::Key(_) => f64::NEG_INFINITY,
                Child::Cluster(_) if exact => log_share(parent),
                Child::Cluster(_) => log_weight,
            };
            tree.for_each_key(judged.child, &mut |key| receive(key, Share { exact, log_weight, log_low_rank }));
        }
    }
}
