//! A plan being carried out, one small piece of work at a time: between pieces the caller can report progress, give
//! the thread back, or stop.

use std::ops::{Deref, Range};

use web_time::Instant;

use crate::attention::{BLOCK, Clustered, Exact, Head, LowRank, Scratch};
use crate::clusters::Tree;
use crate::error::{Error, Result};
use crate::memory;
use crate::options::Method;
use crate::plan::{Plan, SupportPlan};
use crate::shape::Tensor;
use crate::simd::{LANES, instruction_set};
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
        plan.shape.check_lengths(self.q.len(), self.k.len(), self.v.len())?;
        for (name, data) in [("q", &self.q), ("k", &self.k), ("v", &self.v)] {
            if let Some(index) = data.iter().position(|x| !x.is_finite()) {
                return Err(Error::NonFinite { name, index, value: data[index] });
            }
        }
        Ok(())
    }

    pub(crate) fn head(&self, plan: &Plan, slice: usize) -> Result<Head> {
        Head::new(plan, slice, &self.q, &self.k, &self.v)
    }
}

/// What a call took.
#[derive(Debug, Clone)]
pub struct Stats {
    /// The estimator that ran.
    pub method: Method,
    /// See [`instruction_set`](crate::instruction_set).
    pub instruction_set: &'static str,
    /// Time spent computing.
    pub milliseconds: f64,
    /// Bytes of inputs, output and scratch at the most, as planned.
    pub peak_bytes: u64,
    /// Entries computed exactly: all rows, heads and sequences together.
    pub support_entries: u64,
    /// Features per row; of landmarks the clusters judged, a mean over rows, rounded up.
    pub features: usize,
    /// Where the time went.
    pub phases: Vec<Phase>,
}

impl Stats {
    /// What follows from the plan, and from how many clusters all rows judged together.
    pub(crate) fn of(plan: &Plan, clusters: u64) -> Stats {
        let rows = (plan.shape.slices() * plan.shape.queries) as u64;
        let judged = plan.cluster_walk().map(|_| clusters.div_ceil(rows) as usize);
        Stats {
            method: plan.method,
            instruction_set: instruction_set(),
            milliseconds: 0.0,
            peak_bytes: plan.peak_bytes(),
            support_entries: 0,
            features: judged.unwrap_or(plan.feature_count()),
            phases: Vec::new(),
        }
    }
}

/// A named part of a call's time.
#[derive(Debug, Clone)]
pub struct Phase {
    /// `"prepare"` (scaling and packing), `"support"` (hashing, sorting, listing), `"features"` (mapping, summing, reading)
    /// or `"rows"` (logits, softmax, values).
    pub name: &'static str,
    /// Time spent in it.
    pub milliseconds: f64,
}

/// A plan being carried out. Call [`step`](Run::step) until [`is_done`](Run::is_done), then
/// [`finish`](Run::finish).
pub struct Run<D> {
    inputs: Inputs<D>,
    engine: Engine,
}

/// A [`Run`] without its inputs, for analyses that run several plans on the same ones.
pub(crate) struct Engine {
    plan: Plan,
    output: Vec<f32>,
    slice: usize,
    query: usize,
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
    Parts { support: Support, low_rank: Option<LowRank> },
    Clustered(Box<Clustered>),
}

#[derive(Default)]
struct Clock {
    prepare: f64,
    support: f64,
    features: f64,
    rows: f64,
}

impl<D: Deref<Target = [f32]>> Run<D> {
    /// Checks the data and takes the memory for the output.
    ///
    /// # Errors
    /// [`Error::InvalidShape`] where a length does not fit the plan, [`Error::NonFinite`] with the index of the
    /// first NaN or infinity, [`Error::OutOfMemory`].
    pub fn new(plan: Plan, inputs: Inputs<D>) -> Result<Run<D>> {
        inputs.check(&plan)?;
        Ok(Run { inputs, engine: Engine::new(plan)? })
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

    /// The output `[batch, heads, queries, value_dim]` and what it took.
    pub fn finish(self) -> (Tensor, Stats) {
        self.engine.finish()
    }
}

impl Engine {
    pub fn new(plan: Plan) -> Result<Engine> {
        let output = memory::filled("the output", plan.shape.output().iter().product(), 0.0)?;
        Ok(Engine {
            plan,
            output,
            slice: 0,
            query: 0,
            head: None,
            scratch: Scratch::default(),
            rows: Rows::default(),
            support_entries: 0,
            clusters: 0,
            entropy: None,
            clock: Clock::default(),
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
        self.slice == self.plan.shape.slices()
    }

    pub fn fraction(&self) -> f64 {
        let shape = self.plan.shape;
        (self.slice * shape.queries + self.query) as f64 / (shape.slices() * shape.queries) as f64
    }

    pub fn step<D: Deref<Target = [f32]>>(&mut self, inputs: &Inputs<D>) -> Result<()> {
        if self.is_done() {
            return Ok(());
        }
        let queries = self.plan.shape.queries;
        if self.plan.key_lengths[self.plan.shape.batch_of(self.slice)] == 0 {
            // Fully masked: the output is zero already.
            self.query = queries;
        } else if let Some(prepared) = self.head.take() {
            let block = self.query..queries.min(self.query + BLOCK);
            self.query = block.end;
            self.head = Some(self.compute(prepared, block)?);
        } else {
            self.head = Some(self.prepare(inputs)?);
        }
        if self.query == queries {
            self.head = None;
            self.query = 0;
            self.slice += 1;
        }
        Ok(())
    }

    pub fn finish(self) -> (Tensor, Stats) {
        let phases = [
            ("prepare", self.clock.prepare),
            ("support", self.clock.support),
            ("features", self.clock.features),
            ("rows", self.clock.rows),
        ];
        let stats = Stats {
            milliseconds: phases.iter().map(|phase| phase.1).sum(),
            support_entries: self.support_entries,
            phases: phases.into_iter().map(|(name, milliseconds)| Phase { name, milliseconds }).collect(),
            ..Stats::of(&self.plan, self.clusters)
        };
        (Tensor { data: self.output, shape: self.plan.shape.output() }, stats)
    }

    fn prepare<D: Deref<Target = [f32]>>(&mut self, inputs: &Inputs<D>) -> Result<Prepared> {
        let head = timed(&mut self.clock.prepare, || inputs.head(&self.plan, self.slice))?;
        if let Some((budget, to_keys)) = self.plan.cluster_walk() {
            let clustered = timed(&mut self.clock.support, || Clustered::new(&self.plan, &head, budget, to_keys))?;
            return Ok(Prepared { head, estimator: Estimator::Clustered(Box::new(clustered)) });
        }
        let support = timed(&mut self.clock.support, || {
            Support::new(&self.plan, &head, &inputs.q[self.plan.shape.q_range(self.slice)])
        })?;
        let Some(support) = support else {
            let exact = timed(&mut self.clock.prepare, || Exact::new(&head))?;
            return Ok(Prepared { head, estimator: Estimator::Exact(exact) });
        };
        let lag = match self.plan.support {
            SupportPlan::Window { size } => Some(size),
            _ => None,
        };
        let low_rank = timed(&mut self.clock.features, || {
            self.plan.feature_map().map(|features| LowRank::new(features, &self.plan, &head, lag)).transpose()
        })?;
        Ok(Prepared { head, estimator: Estimator::Parts { support, low_rank } })
    }

    fn compute(&mut self, mut prepared: Prepared, block: Range<usize>) -> Result<Prepared> {
        let Prepared { head, estimator } = &mut prepared;
        let start = self.plan.shape.output_range(self.slice).start;
        let dim = head.value_dim;
        let output = &mut self.output[start + block.start * dim..start + block.end * dim];
        match estimator {
            Estimator::Exact(exact) => {
                timed(&mut self.clock.rows, || match &mut self.entropy {
                    Some(total) => {
                        let rows = exact.rows_with_stats(head, block.clone(), output);
                        *total += rows.iter().map(|row| row.entropy).sum::<f64>();
                    }
                    None => exact.rows(head, block.clone(), output),
                });
                self.support_entries += block.map(|query| head.visible(query) as u64).sum::<u64>();
            }
            Estimator::Clustered(clustered) => {
                for (query, out) in block.zip(output.chunks_exact_mut(dim)) {
                    let row = timed(&mut self.clock.rows, || clustered.row(head, query, out))?;
                    self.support_entries += row.entries as u64;
                    self.clusters += row.clusters as u64;
                }
            }
            Estimator::Parts { support, low_rank } => {
                for (first, output) in block.clone().step_by(LANES).zip(output.chunks_mut(LANES * dim)) {
                    let last = block.end.min(first + LANES);
                    timed(&mut self.clock.support, || support.rows(&self.plan, head, first..last, &mut self.rows))?;
                    self.support_entries += self.rows.entries() as u64;
                    let features =
                        timed(&mut self.clock.features, || low_rank.as_mut().map(|part| part.rows(head, first, last)));
                    timed(&mut self.clock.rows, || {
                        for (n, out) in output.chunks_exact_mut(dim).enumerate() {
                            let row = low_rank.as_ref().zip(features.as_ref().map(|rows| &rows[n]));
                            self.scratch.row(head, first + n, self.rows.row(n), row, out);
                        }
                    });
                }
            }
        }
        Ok(prepared)
    }
}

impl Plan {
    /// Bytes of inputs, output and scratch at the most.
    pub fn peak_bytes(&self) -> u64 {
        let shape = self.shape;
        let elements = shape.q_len() + shape.k_len() + shape.v_len() + shape.output().iter().product::<usize>();
        let head = Head::bytes(self) + Support::bytes(self);
        let estimator = match self.support {
            SupportPlan::All => Exact::bytes(shape.keys, shape.dim, shape.value_dim),
            _ if self.feature_map().is_some() => LowRank::bytes(self) + Scratch::bytes(self),
            _ if self.support == SupportPlan::Empty => Tree::bytes(shape.keys, shape.dim, shape.value_dim),
            _ => Scratch::bytes(self),
        };
        (elements * size_of::<f32>()) as u64 + head + estimator
    }
}

/// Runs `work` and adds the time it took to `milliseconds`.
fn timed<T>(milliseconds: &mut f64, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = work();
    *milliseconds += start.elapsed().as_secs_f64() * 1e3;
    result
}
