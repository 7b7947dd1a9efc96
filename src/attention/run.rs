//! A plan being carried out, one small piece of work at a time: between pieces the caller can report progress, give
//! the thread back, or stop.

use std::ops::{Deref, Range};
use std::sync::Arc;

use crate::attention::blocks::Blocks;
use crate::attention::{BLOCK, Clock, Clustered, Exact, Head, LowRank, Part, Phase, Scratch, Task};
use crate::clusters::Tree;
use crate::error::{Error, Result};
use crate::memory;
use crate::options::Method;
use crate::plan::{Plan, SupportPlan};
use crate::shape::Tensor;
use crate::simd::{LANES, all_finite, instruction_set};
use crate::support::{Rows, Support};

/// The three tensors of a call, owned or borrowed.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<D> {
    /// `[batch, heads, queries, dim]`.
    pub q: D,
    /// `[batch, kv_heads, keys, dim]`.
    pub k: D,
    /// `[batch, kv_heads, keys, value_dim]`.
    pub v: D,
}

impl<D: Deref<Target = [f32]>> Inputs<D> {
    /// Checks lengths and finiteness. Padding must be finite too.
    pub(crate) fn check(&self, plan: &Plan) -> Result<()> {
        self.check_part(plan, &plan.whole())
    }

    /// As [`check`](Self::check), where the tensors are those of `part`; indices are those in the tensors of the call.
    fn check_part(&self, plan: &Plan, part: &Part) -> Result<()> {
        plan.check_lengths([self.q.len(), self.k.len(), self.v.len()], part)?;
        for (name, data, range) in [("q", &self.q, &part.q), ("k", &self.k, &part.k), ("v", &self.v, &part.v)] {
            if !all_finite(data) {
                let index = data.iter().position(|x| !x.is_finite()).unwrap_or(0);
                return Err(Error::NonFinite { name, index: range.start + index, value: data[index] });
            }
        }
        Ok(())
    }

    pub(crate) fn head(&self, plan: &Plan, slice: usize) -> Result<Head> {
        let whole = plan.whole();
        let mut head = self.head_of_part(plan, &whole, slice)?;
        head.set_values(self.values(plan, &whole, slice))?;
        Ok(head)
    }

    /// As [`head`](Self::head), without values.
    #[cfg(feature = "webgpu")]
    pub(crate) fn head_without_values(&self, plan: &Plan, slice: usize) -> Result<Head> {
        self.head_of_part(plan, &plan.whole(), slice)
    }

    /// As [`head`](Self::head), where the tensors are those of `part`, without values.
    fn head_of_part(&self, plan: &Plan, part: &Part, slice: usize) -> Result<Head> {
        let shape = plan.shape;
        let k = &self.k[within(shape.k_range(slice), &part.k)];
        Head::new(plan, slice, self.queries(plan, part, slice), k)
    }

    fn values(&self, plan: &Plan, part: &Part, slice: usize) -> &[f32] {
        &self.v[within(plan.shape.v_range(slice), &part.v)]
    }

    fn queries(&self, plan: &Plan, part: &Part, slice: usize) -> &[f32] {
        &self.q[within(plan.shape.q_range(slice), &part.q)]
    }
}

/// `range`, counted from the start of `part`.
fn within(range: Range<usize>, part: &Range<usize>) -> Range<usize> {
    range.start - part.start..range.end - part.start
}

/// What a call took.
#[derive(Debug, Clone)]
pub struct Stats {
    /// The estimator that ran.
    pub method: Method,
    /// See [`instruction_set`](crate::instruction_set).
    pub instruction_set: &'static str,
    /// Time spent computing; on several threads, time from call to result.
    pub milliseconds: f64,
    /// Bytes of inputs, output and scratch at the most, as planned.
    pub peak_bytes: u64,
    /// Entries computed exactly: all rows, heads and sequences together.
    pub support_entries: u64,
    /// Features per row; of landmarks the clusters judged, a mean over rows, rounded up.
    pub features: usize,
    /// Where the time went; all threads together.
    pub phases: Vec<Phase>,
    /// Clusters judged by all rows together; 0 without landmarks.
    pub clusters: u64,
}

impl Stats {
    /// What follows from the plan, and from how many clusters all rows of a part judged together.
    pub(crate) fn of(plan: &Plan, part: &Part, clusters: u64) -> Stats {
        let judged = plan.cluster_walk().map(|_| clusters.div_ceil(part.rows.len() as u64) as usize);
        Stats {
            method: plan.method,
            instruction_set: instruction_set(),
            milliseconds: 0.0,
            peak_bytes: plan.peak_bytes_of(part),
            support_entries: 0,
            features: judged.unwrap_or(plan.feature_count()),
            phases: Vec::new(),
            clusters,
        }
    }
}

/// A plan being carried out. Call [`step`](Run::step) until [`is_done`](Run::is_done), then
/// [`finish`](Run::finish).
pub struct Run<D> {
    inputs: Inputs<D>,
    engine: Engine,
}

/// A [`Run`] without its inputs, for analyses that run several plans on the same ones.
pub(crate) struct Engine {
    plan: Arc<Plan>,
    part: Part,
    output: Vec<f32>,
    /// The next row, counted as those of the part.
    row: usize,
    /// Share done of the work that comes before the rows of this head.
    ahead: f64,
    head: Option<Prepared>,
    scratch: Scratch,
    rows: Rows,
    support_entries: u64,
    /// Clusters judged by all rows.
    clusters: u64,
    /// Sum over rows of the entropy, where it is wanted; exact attention only.
    entropy: Option<f64>,
    clock: Clock,
}

/// A head with its support and low-rank part made.
struct Prepared {
    head: Head,
    estimator: Estimator,
}

enum Estimator {
    Exact(Exact),
    Parts { support: Support, low_rank: Option<LowRank>, blocks: Option<Blocks> },
    Clustered(Box<Clustered>),
}

impl<D: Deref<Target = [f32]>> Run<D> {
    /// Checks the data and takes the memory for the output.
    ///
    /// # Errors
    /// [`Error::InvalidShape`] where a length does not fit the plan, [`Error::NonFinite`] with the index of the
    /// first NaN or infinity, [`Error::OutOfMemory`].
    pub fn new(plan: Plan, inputs: Inputs<D>) -> Result<Run<D>> {
        Run::part(plan, 0, 1, inputs)
    }

    /// As [`new`](Run::new) for [`plan.part(index, count)`](Plan::part): `inputs` are the ranges of the tensors that the part
    /// reads, and its output, `[1, 1, rows, value_dim]`, is the same to the bit as in the output of the whole.
    ///
    /// # Errors
    /// Those of [`new`](Run::new), and [`Error::InvalidOption`] for a part that does not exist or has no rows.
    pub fn part(plan: Plan, index: usize, count: usize, inputs: Inputs<D>) -> Result<Run<D>> {
        let part = plan.part(index, count).ok_or_else(|| Error::option("part", index, "one that has rows"))?;
        inputs.check_part(&plan, &part)?;
        Ok(Run { inputs, engine: Engine::of_part(Arc::new(plan), part)? })
    }

    /// Whether every row is computed.
    pub fn is_done(&self) -> bool {
        self.engine.is_done()
    }

    /// Share of the work done, from 0 to 1.
    pub fn fraction(&self) -> f64 {
        self.engine.fraction()
    }

    /// Does one piece of work: prepares a head, or computes up to 64 of its rows. Does nothing when done.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] for the scratch of a head.
    pub fn step(&mut self) -> Result<()> {
        self.engine.step(&self.inputs)
    }

    /// The output `[batch, heads, queries, value_dim]`, of a part `[1, 1, rows, value_dim]`, and what it took.
    pub fn finish(self) -> (Tensor, Stats) {
        self.engine.finish()
    }
}

impl Engine {
    pub fn new(plan: Plan) -> Result<Engine> {
        let whole = plan.whole();
        Engine::of_part(Arc::new(plan), whole)
    }

    pub fn of_part(plan: Arc<Plan>, part: Part) -> Result<Engine> {
        let output = memory::zeros("the output", part.output.len())?;
        Ok(Engine {
            plan,
            output,
            row: part.rows.start,
            ahead: 0.0,
            part,
            head: None,
            scratch: Scratch::default(),
            rows: Rows::default(),
            support_entries: 0,
            clusters: 0,
            entropy: None,
            clock: Clock::new(),
        })
    }

    /// Exact attention that also sums the entropy of its rows.
    pub fn with_entropy(plan: Plan) -> Result<Engine> {
        Ok(Engine { entropy: Some(0.0), ..Engine::new(plan)? })
    }

    /// Mean entropy of the rows, in nats.
    pub fn mean_entropy(&self) -> f64 {
        self.entropy.unwrap_or(0.0) / (self.plan.shape.slices() * self.plan.shape.queries) as f64
    }

    pub fn is_done(&self) -> bool {
        self.row == self.part.rows.end
    }

    pub fn fraction(&self) -> f64 {
        let done = self.row - self.part.rows.start;
        let queries = self.plan.shape.queries;
        let under_way = (queries - self.row % queries).min(self.part.rows.end - self.row);
        // Work ahead of the rows is most of the work on them.
        (done as f64 + 0.9 * self.ahead * under_way as f64) / self.part.rows.len() as f64
    }

    pub fn step<D: Deref<Target = [f32]>>(&mut self, inputs: &Inputs<D>) -> Result<()> {
        if self.is_done() {
            return Ok(());
        }
        self.clock.start();
        let queries = self.plan.shape.queries;
        let slice = self.row / queries;
        let first = slice * queries;
        let end = self.part.rows.end.min(first + queries);
        if self.plan.key_lengths[self.plan.shape.batch_of(slice)] == 0 {
            // Fully masked: the output is zero already.
            self.row = end;
        } else if let Some(mut prepared) = self.head.take() {
            if !self.advance(&mut prepared) {
                let block = self.row..end.min(self.row + BLOCK);
                self.row = block.end;
                prepared = self.compute(prepared, block.start - first..block.end - first)?;
            }
            self.head = Some(prepared);
        } else {
            self.head = Some(self.prepare(inputs, slice, self.row - first..end - first)?);
        }
        if self.row == end {
            self.head = None;
            self.ahead = 0.0;
        }
        Ok(())
    }

    pub fn finish(self) -> (Tensor, Stats) {
        let phases = self.clock.phases();
        let stats = Stats {
            milliseconds: phases.iter().map(|phase| phase.milliseconds).sum(),
            support_entries: self.support_entries,
            phases,
            ..Stats::of(&self.plan, &self.part, self.clusters)
        };
        let shape = match self.plan.is_whole(&self.part) {
            true => self.plan.shape.output(),
            false => [1, 1, self.part.rows.len(), self.plan.shape.value_dim],
        };
        (Tensor { data: self.output, shape }, stats)
    }

    fn prepare<D: Deref<Target = [f32]>>(
        &mut self,
        inputs: &Inputs<D>,
        slice: usize,
        queries: Range<usize>,
    ) -> Result<Prepared> {
        let mut head = inputs.head_of_part(&self.plan, &self.part, slice)?;
        let values = inputs.values(&self.plan, &self.part, slice);
        if let Some((budget, to_keys)) = self.plan.cluster_walk() {
            self.clock.lap(Task::Prepare);
            // First the tree, which takes the most memory while it is made.
            let clustered = Clustered::new(&self.plan, &head, budget, to_keys)?;
            self.clock.lap(Task::Search);
            head.set_values(values)?;
            let clustered = clustered.with_values(&head);
            self.clock.lap(Task::Prepare);
            return Ok(Prepared { head, estimator: Estimator::Clustered(Box::new(clustered)) });
        }
        head.set_values(values)?;
        self.clock.lap(Task::Prepare);
        let raw_queries = inputs.queries(&self.plan, &self.part, slice);
        let support = Support::new(&self.plan, &head, raw_queries, &mut self.clock)?;
        self.clock.lap(Task::Search);
        let Some(support) = support else {
            let exact = Exact::new(&head)?;
            self.clock.lap(Task::Prepare);
            return Ok(Prepared { head, estimator: Estimator::Exact(exact) });
        };
        let lag = match self.plan.support {
            SupportPlan::Window { size } => Some(size),
            _ => None,
        };
        let features = self.plan.feature_map();
        let low_rank =
            features.map(|features| LowRank::new(features, &self.plan, &head, lag, &mut self.clock)).transpose()?;
        let whole = low_rank.as_ref().and_then(LowRank::whole);
        let blocks = support.rounds(&head).map(|rounds| Blocks::new(&head, rounds.len(), whole, queries));
        Ok(Prepared { head, estimator: Estimator::Parts { blocks: blocks.transpose()?, support, low_rank } })
    }

    /// Does a piece of the work that serves rows of a whole head; false if there is none left.
    fn advance(&mut self, prepared: &mut Prepared) -> bool {
        let Prepared { head, estimator } = prepared;
        let Estimator::Parts { support, low_rank, blocks: Some(blocks) } = estimator else { return false };
        let Some(rounds) = support.rounds(head) else { return false };
        let output = self.part.output_of(&self.plan, head.slice, blocks.queries());
        let whole = low_rank.as_ref().and_then(LowRank::whole);
        let more = blocks.step(head, rounds, whole, &mut self.output[output], &mut self.clock);
        self.ahead = if more { blocks.fraction(rounds) } else { 1.0 };
        more
    }

    fn compute(&mut self, mut prepared: Prepared, block: Range<usize>) -> Result<Prepared> {
        let Prepared { head, estimator } = &mut prepared;
        let dim = head.value_dim;
        let output = self.part.output_of(&self.plan, head.slice, block.clone());
        let output = &mut self.output[output];
        match estimator {
            Estimator::Exact(exact) => {
                match &mut self.entropy {
                    Some(total) => {
                        let rows = exact.rows_with_stats(head, block.clone(), &mut [], output);
                        *total += rows.iter().map(|row| row.entropy).sum::<f64>();
                    }
                    None => exact.rows(head, block.clone(), output),
                }
                self.clock.lap(Task::Tiles);
                self.support_entries += block.map(|query| head.visible(query) as u64).sum::<u64>();
            }
            Estimator::Clustered(clustered) => {
                for (query, out) in block.zip(output.chunks_exact_mut(dim)) {
                    let row = clustered.row(head, query, out)?;
                    self.support_entries += row.entries as u64;
                    self.clusters += row.clusters as u64;
                }
                self.clock.lap(Task::Tiles);
            }
            Estimator::Parts { support, low_rank, blocks: Some(blocks) } => {
                // Of rounds there are none: the rows were not started ahead.
                if let (Some([]), Some(part)) = (support.rounds(head), low_rank.as_ref().and_then(LowRank::whole)) {
                    let output = self.part.output_of(&self.plan, head.slice, blocks.queries());
                    blocks.start(head, part, &mut self.output[output], &mut self.clock);
                }
                for first in block.clone().step_by(LANES) {
                    let queries = first..block.end.min(first + LANES);
                    let output = self.part.output_of(&self.plan, head.slice, queries.clone());
                    let (output, entries) = (&mut self.output[output], &mut self.support_entries);
                    let left = blocks.finish(head, queries.clone(), low_rank.is_some(), output, entries);
                    self.clock.lap(Task::Tiles);
                    for (lane, query) in queries.enumerate() {
                        if left >> lane & 1 == 1 {
                            self.row_pass(head, support, low_rank, query..query + 1)?;
                        }
                    }
                }
            }
            Estimator::Parts { support, low_rank, blocks: None } => {
                for first in block.clone().step_by(LANES) {
                    self.row_pass(head, support, low_rank, first..block.end.min(first + LANES))?;
                }
            }
        }
        Ok(prepared)
    }

    /// One by one, at most 16 rows.
    fn row_pass(
        &mut self,
        head: &Head,
        support: &mut Support,
        low_rank: &mut Option<LowRank>,
        queries: Range<usize>,
    ) -> Result<()> {
        let first = queries.start;
        let output = self.part.output_of(&self.plan, head.slice, queries.clone());
        support.rows(&self.plan, head, queries.clone(), &mut self.rows)?;
        self.clock.lap(Task::Search);
        self.support_entries += self.rows.entries() as u64;
        let features = low_rank.as_mut().map(|part| part.rows(head, first, queries.end, &mut self.clock));
        for (n, out) in self.output[output].chunks_exact_mut(head.value_dim).enumerate() {
            let row = low_rank.as_ref().zip(features.as_ref().map(|rows| &rows[n]));
            self.scratch.row(head, first + n, self.rows.row(n), row, out);
        }
        self.clock.lap(Task::Tiles);
        Ok(())
    }
}

impl Plan {
    /// Bytes of inputs, output and scratch at the most.
    pub fn peak_bytes(&self) -> u64 {
        self.peak_bytes_of(&self.whole())
    }

    fn peak_bytes_of(&self, part: &Part) -> u64 {
        let elements = part.q.len() + part.k.len() + part.v.len() + part.output.len();
        (elements * size_of::<f32>()) as u64 + self.scratch_bytes()
    }

    /// Bytes that are taken for a head, while it is computed.
    pub(super) fn scratch_bytes(&self) -> u64 {
        let shape = self.shape;
        let head = Head::bytes(self) + Support::bytes(self);
        let estimator = match self.support {
            SupportPlan::All => Exact::bytes(shape.keys, shape.dim, shape.value_dim),
            _ if self.feature_map().is_some() => LowRank::bytes(self) + Scratch::bytes(self) + Blocks::bytes(self),
            _ if self.support == SupportPlan::Empty => Tree::bytes(self),
            // Support::bytes has the tree.
            _ if self.cluster_walk().is_some() => 0,
            _ => Scratch::bytes(self) + Blocks::bytes(self),
        };
        head + estimator
    }
}
