//! From options and sizes to a plan: everything that can be decided, and refused, before data is touched.

use crate::error::{Error, Result, number};
use crate::memory;
use crate::options::{Features, Method, Options, Support};
use crate::shape::{MAX_SIZE, Shape};
use crate::support::sort;

/// Share of the keys that is kept per query when no budget is given.
pub const DEFAULT_BUDGET: f64 = 0.125;

/// Up to this many keys `auto` is exact: nothing is gained by approximating.
const AUTO_EXACT_KEYS: usize = 128;

pub(crate) const MAX_FEATURES: usize = 1 << 12;
pub(crate) const MAX_ROUNDS: usize = 64;

/// Of scale / temperature, which two valid numbers can take to infinity.
const MAX_LOGIT_SCALE: f64 = 1e200;

/// A validated call. Every back end executes this; none looks at [`Options`] again.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    pub(crate) shape: Shape,
    pub(crate) method: Method,
    /// b = scale / temperature: logits are `b q·k`.
    pub(crate) logit_scale: f64,
    pub(crate) causal: bool,
    /// Unmasked keys of each sequence.
    pub(crate) key_lengths: Vec<usize>,
    pub(crate) seed: u64,
    pub(crate) support: SupportPlan,
    pub(crate) low_rank: Option<LowRankPlan>,
}

/// [`Support`] with every size decided.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum SupportPlan {
    /// Every visible key: exact attention.
    All,
    /// No key: low-rank attention.
    Empty,
    Window {
        size: usize,
    },
    TopK {
        count: usize,
    },
    Lsh {
        rounds: usize,
        chunk: Option<usize>,
    },
    Smyrf {
        cluster: usize,
        rounds: usize,
    },
    Clusters {
        count: usize,
    },
    Explicit(Csr),
}

/// Compressed sparse rows with ascending, distinct indices; `indptr` has a row for each query, or for each
/// query of each (batch, head).
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Csr {
    indptr: Vec<u32>,
    indices: Vec<u32>,
}

/// The low-rank part with every size decided.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum LowRankPlan {
    Map(FeaturePlan),
    Landmarks { count: usize },
}

/// A feature map with every size decided.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum FeaturePlan {
    Favor { count: usize, hyperbolic: bool, center: bool, balance: bool },
    Optimal { count: usize, center: bool, balance: bool, spread: Option<f64> },
    Elu,
    Taylor { order: usize },
}

impl Plan {
    /// Decides and checks everything but the data.
    ///
    /// # Errors
    /// [`Error::InvalidShape`] or [`Error::InvalidOption`] naming the argument and its value;
    /// [`Error::Unsupported`] for what cannot be done without breaking a promise, such as a causal support
    /// that sorts the whole sequence; [`Error::OutOfMemory`].
    pub fn new(shape: Shape, options: &Options) -> Result<Plan> {
        shape.check()?;
        let temperature = positive("temperature", options.temperature)?;
        let scale = match options.scale {
            Some(scale) => positive("scale", scale)?,
            None => 1.0 / (shape.dim as f64).sqrt(),
        };
        let budget = share("budget", options.budget)?;
        let split = share("split", options.split)?;
        if split == Some(1.0) {
            return Err(Error::option("split", 1, "a number above 0 and below 1"));
        }
        let budget = budget.unwrap_or(DEFAULT_BUDGET);
        let method = resolve_method(shape, options);
        let floats = ((budget * shape.keys as f64).floor() as usize).max(1);
        let (support, low_rank) = parts(shape, options, method, floats, split.unwrap_or(0.5))?;
        let plan = Plan {
            shape,
            method,
            logit_scale: (scale / temperature).clamp(1.0 / MAX_LOGIT_SCALE, MAX_LOGIT_SCALE),
            causal: options.causal,
            key_lengths: key_lengths(shape, options)?,
            seed: options.seed,
            support,
            low_rank,
        };
        plan.check_causal()?;
        Ok(plan)
    }

    /// The estimator that will run; never [`Method::Auto`].
    pub fn method(&self) -> Method {
        self.method
    }

    /// The sizes.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Features per row, 0 without a low-rank part.
    pub fn feature_count(&self) -> usize {
        self.low_rank.map_or(0, |low_rank| low_rank.count(self.shape.dim))
    }

    /// The feature map, where the low-rank part has one.
    pub(crate) fn feature_map(&self) -> Option<FeaturePlan> {
        match self.low_rank {
            Some(LowRankPlan::Map(map)) => Some(map),
            _ => None,
        }
    }

    /// The nodes that each query may judge and whether down to single keys, where the low-rank part is clusters.
    pub(crate) fn cluster_walk(&self) -> Option<(usize, bool)> {
        match (&self.support, self.low_rank) {
            (SupportPlan::Clusters { count: keys }, Some(LowRankPlan::Landmarks { count })) => {
                Some((keys + count, true))
            }
            (_, Some(LowRankPlan::Landmarks { count })) => Some((count, false)),
            _ => None,
        }
    }

    fn check_causal(&self) -> Result<()> {
        if !self.causal {
            return Ok(());
        }
        if matches!(self.support, SupportPlan::Smyrf { .. }) {
            return Err(Error::unsupported(
                "support.kind \"smyrf\" with causal",
                "it sorts the whole sequence, and the rank of a past key would reveal future ones; use \"clusters\" or \"window\"",
            ));
        }
        match self.feature_map() {
            Some(map) if map.center() => Err(Error::unsupported(
                "features.center with causal",
                "the mean over all tokens would reveal future ones; leave center out",
            )),
            Some(map) if map.balance() => Err(Error::unsupported(
                "features.balance with causal",
                "the moments over all tokens would reveal future ones; leave balance out",
            )),
            Some(FeaturePlan::Optimal { spread: None, .. }) => Err(Error::unsupported(
                "features.kind \"optimal\" with causal and without spread",
                "the spread measured over the head would reveal future tokens; give features.spread, or use \"favor\"",
            )),
            _ => Ok(()),
        }
    }
}

impl LowRankPlan {
    fn count(self, dim: usize) -> usize {
        match self {
            LowRankPlan::Map(map) => map.count(dim),
            LowRankPlan::Landmarks { count } => count,
        }
    }
}

impl FeaturePlan {
    pub fn count(&self, dim: usize) -> usize {
        match *self {
            FeaturePlan::Favor { count, .. } | FeaturePlan::Optimal { count, .. } => count,
            FeaturePlan::Elu => dim,
            FeaturePlan::Taylor { order: 1 } => 1 + dim,
            FeaturePlan::Taylor { .. } => 1 + dim + dim * (dim + 1) / 2,
        }
    }

    /// Whether queries and keys are both centred.
    pub fn center(&self) -> bool {
        matches!(self, FeaturePlan::Favor { center: true, .. } | FeaturePlan::Optimal { center: true, .. })
    }

    pub fn balance(&self) -> bool {
        matches!(self, FeaturePlan::Favor { balance: true, .. } | FeaturePlan::Optimal { balance: true, .. })
    }
}

impl Csr {
    /// The keys of query `query` in slice `slice`, ascending.
    pub fn row(&self, slice: usize, query: usize, queries: usize) -> &[u32] {
        let row = if self.is_shared(queries) { query } else { slice * queries + query };
        &self.indices[self.indptr[row] as usize..self.indptr[row + 1] as usize]
    }

    /// Whether all heads have the same rows.
    pub fn is_shared(&self, queries: usize) -> bool {
        self.indptr.len() == queries + 1
    }

    pub fn bytes(&self) -> usize {
        (self.indptr.len() + self.indices.len()) * size_of::<u32>()
    }

    fn new(indptr: &[u32], indices: &[u32], shape: Shape) -> Result<Csr> {
        let (queries, all) = (shape.queries, shape.slices() * shape.queries);
        if indptr.len() != queries + 1 && indptr.len() != all + 1 {
            return Err(Error::option(
                "support.indptr.length",
                indptr.len(),
                format!("queries + 1 = {} or batch * heads * queries + 1 = {}", queries + 1, all + 1),
            ));
        }
        if indptr[0] != 0 {
            return Err(Error::option("support.indptr[0]", indptr[0], "0"));
        }
        if let Some(i) = (1..indptr.len()).find(|&i| indptr[i] < indptr[i - 1]) {
            return Err(Error::option(
                format!("support.indptr[{i}]"),
                indptr[i],
                format!("at least the number before it, {}", indptr[i - 1]),
            ));
        }
        let last = indptr[indptr.len() - 1] as usize;
        if last != indices.len() {
            return Err(Error::option(
                "support.indices.length",
                indices.len(),
                format!("the last number of support.indptr, {last}"),
            ));
        }
        if let Some(i) = indices.iter().position(|&j| j as usize >= shape.keys) {
            return Err(Error::option(
                format!("support.indices[{i}]"),
                indices[i],
                format!("below shape.keys = {}", shape.keys),
            ));
        }
        let what = "the support";
        let mut csr = Csr {
            indptr: memory::with_capacity(what, indptr.len())?,
            indices: memory::with_capacity(what, indices.len())?,
        };
        csr.indptr.push(0);
        let (mut row, mut spare) = (Vec::new(), Vec::new());
        for bounds in indptr.windows(2) {
            row.clear();
            row.extend(indices[bounds[0] as usize..bounds[1] as usize].iter().map(|&key| u64::from(key)));
            sort(&mut row, &mut spare);
            row.dedup();
            csr.indices.extend(row.iter().map(|&key| key as u32));
            csr.indptr.push(csr.indices.len() as u32);
        }
        Ok(csr)
    }
}

pub(crate) fn positive(name: &str, value: f64) -> Result<f64> {
    if value.is_finite() && value > 0.0 {
        Ok(value)
    } else {
        Err(Error::option(name, number(value), "a positive finite number"))
    }
}

fn share(name: &str, value: Option<f64>) -> Result<Option<f64>> {
    match value {
        Some(x) if !(x > 0.0 && x <= 1.0) => Err(Error::option(name, number(x), "a number above 0 and at most 1")),
        value => Ok(value),
    }
}

fn whole(name: &str, value: usize, max: usize) -> Result<usize> {
    if (1..=max).contains(&value) {
        Ok(value)
    } else {
        Err(Error::option(name, value, format!("a whole number from 1 to {max}")))
    }
}

fn key_lengths(shape: Shape, options: &Options) -> Result<Vec<usize>> {
    let Some(lengths) = &options.key_lengths else {
        return Ok(vec![shape.keys; shape.batch]);
    };
    if lengths.len() != shape.batch {
        return Err(Error::option("keyLengths.length", lengths.len(), format!("shape.batch = {}", shape.batch)));
    }
    if let Some(i) = lengths.iter().position(|&n| n > shape.keys) {
        return Err(Error::option(
            format!("keyLengths[{i}]"),
            lengths[i],
            format!("a whole number from 0 to shape.keys = {}", shape.keys),
        ));
    }
    Ok(lengths.clone())
}

fn resolve_method(shape: Shape, options: &Options) -> Method {
    match (options.method, &options.support, &options.features) {
        (Method::Auto, Some(_), Some(_)) => Method::Scatterbrain,
        (Method::Auto, Some(_), None) => Method::Sparse,
        (Method::Auto, None, Some(_)) => Method::LowRank,
        (Method::Auto, None, None) if shape.keys <= AUTO_EXACT_KEYS || options.budget == Some(1.0) => Method::Exact,
        (Method::Auto, None, None) => Method::Scatterbrain,
        (method, ..) => method,
    }
}

const CLUSTERS: Support = Support::Clusters { count: None };
const LANDMARKS: Features = Features::Landmarks { count: None };

/// Both parts of scatterbrain. A part left out is the other's partner: landmarks and clusters belong together, and
/// for the rest there is the paper's recipe.
pub(crate) fn partners(options: &Options) -> (Support, Features) {
    let paper_support =
        if options.causal { Support::Window { size: None } } else { Support::Smyrf { cluster: None, rounds: None } };
    let paper_features = Features::Favor { count: None, hyperbolic: false, center: false, balance: false };
    let support = options.support.clone().unwrap_or(match options.features {
        None | Some(Features::Landmarks { .. }) => CLUSTERS,
        Some(_) => paper_support,
    });
    let features = options.features.clone().unwrap_or(match support {
        Support::Clusters { .. } => LANDMARKS,
        _ => paper_features,
    });
    (support, features)
}

/// The two halves of the estimator, sized.
fn parts(
    shape: Shape,
    options: &Options,
    method: Method,
    floats: usize,
    split: f64,
) -> Result<(SupportPlan, Option<LowRankPlan>)> {
    let conflict =
        |name: &str, why: &str| Err(Error::option(name, "given", format!("nothing with method \"{method}\", {why}")));
    let (support, features) = (options.support.as_ref(), options.features.as_ref());
    match (method, support, features) {
        (Method::Exact | Method::LowRank, Some(_), _) => return conflict("support", "which has no sparse part"),
        (Method::Exact | Method::Sparse, _, Some(_)) => return conflict("features", "which has no low-rank part"),
        (Method::Vitality, _, Some(_)) => return conflict("features", "which brings its own"),
        _ => {}
    }
    Ok(match method {
        Method::Exact => (SupportPlan::All, None),
        Method::Sparse => (size_support(support.unwrap_or(&CLUSTERS), shape, options.causal, floats)?, None),
        Method::LowRank => (SupportPlan::Empty, Some(size_features(features.unwrap_or(&LANDMARKS), floats)?)),
        Method::Vitality => {
            let features = LowRankPlan::Map(FeaturePlan::Taylor { order: 1 });
            let rest = floats.saturating_sub(features.count(shape.dim)).max(1);
            let support = support.map(|support| size_support(support, shape, options.causal, rest)).transpose()?;
            (support.unwrap_or(SupportPlan::Empty), Some(features))
        }
        Method::Auto | Method::Scatterbrain => {
            // A support with explicit sizes leaves the rest of the budget to the features; features, whose
            // number is always known once sized, leave the rest to the support.
            let (support, features) = partners(options);
            let (support, features) = (&support, &features);
            if matches!(features, Features::Landmarks { .. }) && !matches!(support, Support::Clusters { .. }) {
                return Err(Error::unsupported(
                    "features.kind \"landmarks\" with this support.kind",
                    "a landmark stands for a whole cluster; use support.kind \"clusters\", or other features",
                ));
            }
            let kept =
                support.entries().map_or((split * floats as f64).round() as usize, |entries| entries.min(floats));
            let features = size_features(features, floats.saturating_sub(kept).max(1))?;
            let rest = floats.saturating_sub(features.count(shape.dim)).max(1);
            (size_support(support, shape, options.causal, rest)?, Some(features))
        }
    })
}

impl Support {
    /// Entries per row where the caller fixed them.
    fn entries(&self) -> Option<usize> {
        match *self {
            Support::Window { size } => size,
            Support::TopK { count } | Support::Clusters { count } => count,
            Support::Lsh { rounds, chunk } => Some(chunk?.saturating_mul(rounds.unwrap_or(1))),
            Support::Smyrf { cluster, rounds } => Some(cluster?.saturating_mul(rounds.unwrap_or(1))),
            Support::Explicit { ref indptr, ref indices } => Some(indices.len() / indptr.len().max(2)),
        }
    }
}

/// Two rounds once each can still have 8 keys, as in the SMYRF paper: one round misses what its single direction cannot tell apart.
fn default_rounds(entries: usize) -> usize {
    if entries >= 16 { 2 } else { 1 }
}

fn size_support(support: &Support, shape: Shape, causal: bool, entries: usize) -> Result<SupportPlan> {
    Ok(match *support {
        Support::Window { size } => {
            SupportPlan::Window { size: whole("support.size", size.unwrap_or(entries), MAX_SIZE)? }
        }
        Support::TopK { count } => {
            SupportPlan::TopK { count: whole("support.count", count.unwrap_or(entries), MAX_SIZE)? }
        }
        Support::Lsh { rounds, chunk } => {
            // Whole buckets only when the caller fixed the rounds and left the chunk open.
            let open = rounds.is_some() && chunk.is_none();
            let rounds = whole("support.rounds", rounds.unwrap_or(default_rounds(entries)), MAX_ROUNDS)?;
            let chunk = whole("support.chunk", chunk.unwrap_or((entries / rounds).max(1)), MAX_SIZE)?;
            SupportPlan::Lsh { rounds, chunk: (!open).then_some(chunk) }
        }
        Support::Smyrf { cluster, rounds } => {
            if causal {
                // Said before its sizes are judged: they are not what is wrong.
                return Ok(SupportPlan::Smyrf { cluster: 1, rounds: 1 });
            }
            let rounds = whole("support.rounds", rounds.unwrap_or(default_rounds(entries)), MAX_ROUNDS)?;
            SupportPlan::Smyrf {
                cluster: whole("support.cluster", cluster.unwrap_or((entries / rounds).max(1)), MAX_SIZE)?,
                rounds,
            }
        }
        Support::Clusters { count } => {
            SupportPlan::Clusters { count: whole("support.count", count.unwrap_or(entries), MAX_SIZE)? }
        }
        Support::Explicit { ref indptr, ref indices } => SupportPlan::Explicit(Csr::new(indptr, indices, shape)?),
    })
}

fn size_features(features: &Features, count: usize) -> Result<LowRankPlan> {
    let budgeted = count.clamp(1, MAX_FEATURES);
    Ok(LowRankPlan::Map(match *features {
        Features::Favor { count, hyperbolic, center, balance } => {
            let budgeted = if hyperbolic { (budgeted / 2 * 2).max(2) } else { budgeted };
            let count = whole("features.count", count.unwrap_or(budgeted), MAX_FEATURES)?;
            if hyperbolic && count % 2 == 1 {
                return Err(Error::option(
                    "features.count",
                    count,
                    "an even number when hyperbolic: each direction gives two",
                ));
            }
            FeaturePlan::Favor { count, hyperbolic, center, balance }
        }
        Features::Optimal { count, center, balance, spread } => FeaturePlan::Optimal {
            count: whole("features.count", count.unwrap_or(budgeted), MAX_FEATURES)?,
            center,
            balance,
            spread: spread.map(|spread| positive("features.spread", spread)).transpose()?,
        },
        Features::Elu => FeaturePlan::Elu,
        Features::Landmarks { count: own } => {
            return Ok(LowRankPlan::Landmarks { count: whole("features.count", own.unwrap_or(count), MAX_SIZE)? });
        }
        Features::Taylor { order } => FeaturePlan::Taylor { order: whole("features.order", order, 2)? },
    }))
}
