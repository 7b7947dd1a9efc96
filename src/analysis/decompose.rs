//! The attention matrix of one head, taken apart.

use std::ops::{Deref, Range};

use web_time::Instant;

use crate::analysis::RelativeError;
use crate::attention::{BLOCK, Exact, Head, Inputs, LowRank, Rest, RowResult, RowStats, Scratch, Stats};
use crate::attention::{Clock, Clustered, ClusteredRow, DenseKeys, Phase};
use crate::error::{Error, Result};
use crate::memory;
use crate::options::Options;
use crate::plan::Plan;
use crate::shape::{Shape, TensorView};
use crate::simd::{LANES, exp_from, largest_of};
use crate::support::{Rows, Support};

/// Matrices `[queries, keys]`, row-major, each row divided by the normaliser that makes it sum to 1.
#[derive(Debug, Clone)]
pub struct Decomposition {
    /// Rows that were asked for: all query tokens, or some.
    pub queries: usize,
    /// Key tokens.
    pub keys: usize,
    /// Softmax of the logits.
    pub exact: Vec<f32>,
    /// `f(q)·f(k) / Z`, on the support too. 0 without a low-rank part.
    pub low_rank: Vec<f32>,
    /// `(exp(logit) - f(q)·f(k)) / Z` on the support, 0 off it: `low_rank + sparse = approximation`.
    pub sparse: Vec<f32>,
    /// The estimator's matrix: its product with the values is its output.
    pub approximation: Vec<f32>,
    /// 1 where the entry is in the support.
    pub support: Vec<u8>,
    /// Mean over these rows of `-Σ p ln p` of the exact matrix, in nats.
    pub entropy: f64,
    /// `|O - Ô|_F / |O|_F` of the outputs of these rows.
    pub relative_error: f64,
    /// ln Z of each row of the estimator; -inf for rows without mass. `approximation · exp(log_normalizer)` is the
    /// unnormalised estimate of `exp(logit)`.
    pub log_normalizer: Vec<f64>,
    /// ln Z of each row of exact attention.
    pub exact_log_normalizer: Vec<f64>,
    /// What it took, the exact attention included.
    pub stats: Stats,
}

/// A decomposition under way: [`step`](Decompose::step) until [`is_done`](Decompose::is_done), then
/// [`finish`](Decompose::finish).
pub struct Decompose<D> {
    plan: Plan,
    inputs: Inputs<D>,
    parts: Option<Parts>,
    queries: Range<usize>,
    /// The next one.
    query: usize,
    error: RelativeError,
    entropy: f64,
    support_entries: u64,
    /// Clusters judged by all rows.
    clusters: u64,
    milliseconds: f64,
    scratch: Scratch,
    rows: Rows,
    matrices: Matrices,
}

struct Parts {
    head: Head,
    exact: Exact,
    /// `None`: exact attention.
    support: Option<Support>,
    low_rank: Option<LowRank>,
    dense_keys: Option<DenseKeys>,
    /// In place of both.
    clustered: Option<Clustered>,
}

struct Matrices {
    exact: Vec<f32>,
    low_rank: Vec<f32>,
    sparse: Vec<f32>,
    approximation: Vec<f32>,
    support: Vec<u8>,
    log_normalizer: Vec<f64>,
    exact_log_normalizer: Vec<f64>,
}

/// Takes the attention matrix of one head apart. O(queries · keys · (dim + features)) time, five matrices of
/// memory.
///
/// # Errors
/// Those of [`attention`](crate::attention()), and [`Error::InvalidShape`] unless there is one sequence with one head.
pub fn decompose(q: TensorView, k: TensorView, v: TensorView, options: &Options) -> Result<Decomposition> {
    let shape = Shape::of(q, k, v)?;
    decompose_rows(q, k, v, options, 0..shape.queries)
}

/// As [`decompose`], but only the rows of `queries`, whose entries are the same to the bit: a large matrix can be looked at
/// band by band. Each call prepares the head anew, which takes O(queries + keys).
///
/// # Errors
/// Those of [`decompose`], and [`Error::InvalidOption`] unless there are such queries.
pub fn decompose_rows(
    q: TensorView,
    k: TensorView,
    v: TensorView,
    options: &Options,
    queries: Range<usize>,
) -> Result<Decomposition> {
    let plan = Plan::new(Shape::of(q, k, v)?, options)?;
    if queries.is_empty() || queries.end > plan.shape.queries {
        let expected = format!("[start, end], 0 <= start < end <= {}", plan.shape.queries);
        return Err(Error::option("rows", format!("[{}, {}]", queries.start, queries.end), expected));
    }
    let mut work = Decompose::new(plan, Inputs { q: q.data, k: k.data, v: v.data }, queries)?;
    while !work.is_done() {
        work.step()?;
    }
    Ok(work.finish())
}

impl<D: Deref<Target = [f32]>> Decompose<D> {
    /// Checks the data and takes the memory; `queries` that there are not have no rows. Errors as for [`decompose`].
    pub fn new(plan: Plan, inputs: Inputs<D>, queries: Range<usize>) -> Result<Decompose<D>> {
        let shape = plan.shape;
        shape.check_one_head()?;
        inputs.check(&plan)?;
        let queries = queries.start..queries.end.min(shape.queries);
        let count = queries.len();
        // More than can be counted is more than there is.
        let entries = count.saturating_mul(shape.keys);
        let matrix = || memory::zeros("a matrix of queries x keys", entries);
        let normalizers = vec![f64::NEG_INFINITY; count];
        let matrices = Matrices {
            exact: matrix()?,
            low_rank: matrix()?,
            sparse: matrix()?,
            approximation: matrix()?,
            support: memory::filled("the support mask", entries, 0)?,
            log_normalizer: normalizers.clone(),
            exact_log_normalizer: normalizers,
        };
        Ok(Decompose {
            // A sequence without keys has nothing to compute.
            query: if plan.key_lengths[0] == 0 { queries.end } else { queries.start },
            queries,
            plan,
            inputs,
            parts: None,
            error: RelativeError::default(),
            entropy: 0.0,
            support_entries: 0,
            clusters: 0,
            milliseconds: 0.0,
            scratch: Scratch::default(),
            rows: Rows::default(),
            matrices,
        })
    }

    /// Whether every row is done.
    pub fn is_done(&self) -> bool {
        self.query >= self.queries.end
    }

    /// Share of the work done, from 0 to 1.
    pub fn fraction(&self) -> f64 {
        (self.query - self.queries.start) as f64 / self.queries.len() as f64
    }

    /// Does one piece of work: prepares the head, or computes up to 64 rows. Does nothing when done.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn step(&mut self) -> Result<()> {
        let start = Instant::now();
        if let Some(mut parts) = self.parts.take() {
            let block = self.query..self.queries.end.min(self.query + BLOCK);
            self.query = block.end;
            self.compute(&mut parts, block)?;
            self.parts = Some(parts);
        } else if !self.is_done() {
            self.parts = Some(self.prepare()?);
        }
        self.milliseconds += start.elapsed().as_secs_f64() * 1e3;
        Ok(())
    }

    /// The matrices and numbers.
    pub fn finish(self) -> Decomposition {
        let Decompose { plan, queries, matrices, entropy, error, support_entries, clusters, milliseconds, .. } = self;
        let (count, keys) = (queries.len(), plan.shape.keys);
        let phases = vec![Phase { name: "decompose", milliseconds }];
        Decomposition {
            queries: count,
            keys,
            exact: matrices.exact,
            low_rank: matrices.low_rank,
            sparse: matrices.sparse,
            approximation: matrices.approximation,
            support: matrices.support,
            entropy: entropy / count as f64,
            relative_error: error.value(),
            log_normalizer: matrices.log_normalizer,
            exact_log_normalizer: matrices.exact_log_normalizer,
            stats: Stats {
                milliseconds,
                support_entries,
                peak_bytes: plan.peak_bytes() + 17 * count as u64 * keys as u64,
                phases,
                ..Stats::of(&plan, &plan.whole(), clusters)
            },
        }
    }

    fn prepare(&self) -> Result<Parts> {
        let plan = &self.plan;
        let head = self.inputs.head(plan, 0)?;
        let walk = plan.cluster_walk();
        let clustered = walk.map(|(budget, to_keys)| Clustered::new(plan, &head, budget, to_keys)).transpose()?;
        // No lag: the picture shows the low-rank part on the support too.
        let low_rank =
            plan.feature_map().map(|map| LowRank::new(map, plan, &head, None, &mut Clock::new())).transpose()?;
        Ok(Parts {
            exact: Exact::new(&head)?,
            support: if walk.is_some() { None } else { Support::new(plan, &head, &self.inputs.q, &mut Clock::new())? },
            dense_keys: low_rank.as_ref().map(LowRank::dense_keys).transpose()?,
            low_rank,
            clustered: clustered.map(|clustered| clustered.with_values(&head)),
            head,
        })
    }

    fn compute(&mut self, parts: &mut Parts, block: Range<usize>) -> Result<()> {
        let Parts { head, exact, support, low_rank, dense_keys, clustered } = parts;
        let dim = head.value_dim;
        let mut exact_output = vec![0.0; block.len() * dim];
        let mut logits = vec![0.0; block.len() * head.keys];
        let stats = exact.rows_with_stats(head, block.clone(), &mut logits, &mut exact_output);
        let mut entries = vec![0.0; LANES * head.keys];
        let mut output = vec![0.0; dim];
        for first in block.clone().step_by(LANES) {
            let last = block.end.min(first + LANES);
            let low_rank_rows = low_rank.as_mut().map(|part| part.rows(head, first, last, &mut Clock::new()));
            if let (Some(part), Some(rows), Some(dense)) = (&*low_rank, &low_rank_rows, &mut *dense_keys) {
                part.all_entries(head, first, rows, dense, &mut entries);
            }
            if let Some(support) = support {
                support.rows(&self.plan, head, first..last, &mut self.rows)?;
                self.support_entries += self.rows.entries() as u64;
            }
            for query in first..last {
                let (n, lane) = (query - block.start, query - first);
                let row = RowInputs {
                    index: query - self.queries.start,
                    logits: &logits[n * head.keys..][..head.visible(query)],
                    stats: stats[n],
                };
                self.entropy += row.stats.entropy;
                let exact_row = &exact_output[n * dim..(n + 1) * dim];
                if let Some(clustered) = clustered {
                    let result = clustered.row(head, query, &mut output)?;
                    self.support_entries += result.entries as u64;
                    self.clusters += result.clusters as u64;
                    self.matrices.clustered(&row, self.plan.shape.keys, clustered, result);
                } else if support.is_some() {
                    let low_rank = low_rank.as_ref().zip(low_rank_rows.as_ref().map(|rows| &rows[lane]));
                    let keys = self.rows.row(lane);
                    let result = self.scratch.row(head, query, keys, low_rank, &mut output);
                    let low_rank = low_rank.map(|(_, own)| own.log_scale);
                    let entries = &entries[lane * head.keys..];
                    self.matrices.estimate(&row, self.plan.shape.keys, keys, low_rank, entries, result);
                } else {
                    output.copy_from_slice(exact_row);
                    self.support_entries += row.logits.len() as u64;
                    self.matrices.all_exact(&row, self.plan.shape.keys);
                }
                self.error.add(exact_row, &output);
            }
        }
        Ok(())
    }
}

/// A row's exact side.
struct RowInputs<'a> {
    /// In the matrices.
    index: usize,
    /// Of the visible keys.
    logits: &'a [f32],
    stats: RowStats,
}

impl Matrices {
    /// A row of exact attention: all of it is the sparse part.
    fn all_exact(&mut self, row: &RowInputs, keys: usize) {
        let range = self.exact_row(row, keys);
        self.log_normalizer[row.index] = row.stats.log_normalizer;
        self.approximation[range.clone()].copy_from_slice(&self.exact[range.clone()]);
        self.sparse[range.clone()].copy_from_slice(&self.exact[range.clone()]);
        self.support[range].fill(1);
    }

    /// A row of clusters and single keys.
    fn clustered(&mut self, row: &RowInputs, keys: usize, clustered: &Clustered, result: ClusteredRow) {
        let range = self.exact_row(row, keys);
        self.log_normalizer[row.index] = result.log_normalizer;
        clustered.for_each_key(|key, share| {
            let at = range.start + key as usize;
            let weight = (share.log_weight - result.log_normalizer).exp();
            // As a member of its cluster a key may weigh more than the whole row.
            let low_rank = (share.log_low_rank - result.log_normalizer).exp().min(f64::from(f32::MAX));
            self.approximation[at] = weight as f32;
            self.low_rank[at] = low_rank as f32;
            if share.exact {
                self.support[at] = 1;
                self.sparse[at] = (weight - low_rank) as f32;
            }
        });
    }

    fn exact_row(&mut self, row: &RowInputs, keys: usize) -> Range<usize> {
        let start = row.index * keys;
        let range = start..start + row.logits.len();
        self.exact_log_normalizer[row.index] = row.stats.log_normalizer;
        exp_relative(row.logits, row.stats.log_normalizer, &mut self.exact[range.clone()]);
        range
    }

    /// A row of an estimator with support `support`, and with the entries of the low-rank part in units of its scale, whose
    /// logarithm is `low_rank`.
    fn estimate(
        &mut self,
        row: &RowInputs,
        keys: usize,
        support: &[u32],
        low_rank: Option<f64>,
        entries: &[f32],
        result: RowResult,
    ) {
        let range = self.exact_row(row, keys);
        self.log_normalizer[row.index] = result.log_normalizer;
        let visible = range.len();
        let low = &mut self.low_rank[range.clone()];
        match low_rank {
            Some(log_scale) if result.rest == Rest::LowRank || support.len() == visible => {
                let factor = (log_scale - result.log_normalizer).exp().min(f64::MAX);
                let limit = f64::from(f32::MAX);
                low.iter_mut()
                    .zip(entries)
                    .for_each(|(low, &x)| *low = (f64::from(x) * factor).clamp(-limit, limit) as f32);
            }
            _ if result.rest == Rest::Uniform => low.fill(1.0 / visible as f32),
            _ => {}
        }
        let approximation = &mut self.approximation[range.clone()];
        if result.rest != Rest::Zero {
            approximation.copy_from_slice(low);
        }
        let logits: Vec<f32> = support.iter().map(|&key| row.logits[key as usize]).collect();
        let mut weights = vec![0.0; support.len()];
        exp_relative(&logits, result.log_normalizer, &mut weights);
        for (&key, &weight) in support.iter().zip(&weights) {
            let key = key as usize;
            approximation[key] = weight;
            self.sparse[range.start + key] = weight - low[key];
            self.support[range.start + key] = 1;
        }
    }
}

/// `exp(logits - log_normalizer)`, by way of the largest logit: at 10⁴ the normaliser does not fit into f32.
fn exp_relative(logits: &[f32], log_normalizer: f64, out: &mut [f32]) {
    let largest = largest_of(logits);
    if largest == f32::NEG_INFINITY {
        return;
    }
    exp_from(logits, largest, out);
    let factor = (f64::from(largest) - log_normalizer).exp().min(f64::from(f32::MAX)) as f32;
    out.iter_mut().for_each(|x| *x *= factor);
}
