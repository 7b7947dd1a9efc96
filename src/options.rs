//! What a caller can ask for. Sizes left out are chosen from the budget when the
//! [`Plan`](crate::Plan) is made.

use std::fmt::{self, Display};

/// Which estimator to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Method {
    /// Follows from the other options: both parts given, or neither, is [`Method::Scatterbrain`]; only a
    /// support is [`Method::Sparse`]; only features is [`Method::LowRank`]. With neither, and a budget
    /// that covers every key, or at most 128 keys, it is [`Method::Exact`].
    #[default]
    Auto,
    /// Softmax attention, streamed: O(queries + keys) memory.
    Exact,
    /// Softmax over the support only.
    Sparse,
    /// The feature map everywhere, no support.
    LowRank,
    /// Exact on the support, the feature map elsewhere, one normaliser (the paper's estimator).
    Scatterbrain,
    /// First-order Taylor attention of ViTALiTy (arXiv 2211.05109); with a support, exact there.
    Vitality,
}

impl Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Method::Auto => "auto",
            Method::Exact => "exact",
            Method::Sparse => "sparse",
            Method::LowRank => "low-rank",
            Method::Scatterbrain => "scatterbrain",
            Method::Vitality => "vitality",
        })
    }
}

/// Which entries of the attention matrix are computed exactly. `None` sizes follow from the budget.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Support {
    /// A band: `-floor(size/2) <= j - i < ceil(size/2)`; causal: `i - size < j <= i`.
    Window {
        /// Keys per query, at least 1.
        size: Option<usize>,
    },
    /// The keys of largest logit. O(queries · keys) time, O(queries · count) memory: the oracle of
    /// sparse attention.
    TopK {
        /// Keys per query, at least 1.
        count: Option<usize>,
    },
    /// Cross-polytope locality-sensitive hashing (Andoni et al. 2015): a query takes the keys that share its
    /// bucket in any round.
    Lsh {
        /// Independent hash functions, 1 to 64.
        rounds: Option<usize>,
        /// At most this many keys per query and round: keys sorted by bucket and cut into chunks of this
        /// size; causal, the latest ones of the bucket. `None` with `rounds` given: whole buckets.
        chunk: Option<usize>,
    },
    /// SMYRF (Daras et al. 2020): asymmetric transform, one Gaussian direction a round, queries and keys
    /// sorted along it and cut into equal clusters. Never causal.
    Smyrf {
        /// Keys per cluster, at least 1.
        cluster: Option<usize>,
        /// Independent directions, 1 to 64.
        rounds: Option<usize>,
    },
    /// The keys that a walk down a tree of clusters leaves single: recursive k-means of the keys in the metric of the
    /// queries, of which each query opens the most promising parts. With [`Features::Landmarks`] the rest of
    /// the tree is the low-rank part, and nothing is computed twice. Causal: over closed blocks of the past,
    /// the open block and the first four keys exact.
    Clusters {
        /// Clusters and keys judged per query, at least 1: an upper limit on the entries. Without landmarks a query
        /// that would reach no key goes on until it does, which gives it up to 32.
        count: Option<usize>,
    },
    /// Rows given by the caller as compressed sparse rows. Order and repetitions inside a row do not matter.
    Explicit {
        /// Row starts: `queries + 1` numbers for one pattern that all heads share, or
        /// `batch · heads · queries + 1` for one pattern per head.
        indptr: Vec<u32>,
        /// Key indices, each below `keys`.
        indices: Vec<u32>,
    },
}

/// The feature map f with f(q)·f(k) ~ exp(b q·k), b = scale / temperature. `None` counts follow from the budget.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Features {
    /// FAVOR+ (Choromanski et al. 2021): positive random features along orthogonal Gaussian directions. Unbiased.
    Favor {
        /// Features, 1 to 4096; even when `hyperbolic`.
        count: Option<usize>,
        /// Use each direction with both signs.
        hyperbolic: bool,
        /// Centre keys and queries over tokens first: same expectation, smaller variance. Not causal.
        center: bool,
        /// Change variables so that keys and queries are as short as the logits allow, by their second moments over
        /// tokens: same expectation, smaller variance. O(tokens · dim² + dim³). Not causal.
        balance: bool,
    },
    /// Optimal positive random features (Likhosherstov et al. 2022). Unbiased.
    Optimal {
        /// Features, 1 to 4096.
        count: Option<usize>,
        /// As in [`Features::Favor`].
        center: bool,
        /// As in [`Features::Favor`].
        balance: bool,
        /// The mean of `|sqrt(b) (q + k)|^2` to tune for. Measured over the head when `None`, which a
        /// causal call may not do.
        spread: Option<f64>,
    },
    /// elu(x) + 1 of the scaled inputs (Katharopoulos et al. 2020). `dim` features. Biased.
    Elu,
    /// One feature per cluster of keys: `len · exp(q·centroid) · (1 + variance / 2)`, the variance being that of the
    /// cluster's logits over queries. The clusters of each query are those that its walk down the tree leaves closed.
    /// With [`Support::Clusters`], or without a support. Biased, positive: the output stays in the convex hull of the values.
    Landmarks {
        /// Clusters judged per query, at least 1. With [`Support::Clusters`] both counts together are the
        /// walk's budget.
        count: Option<usize>,
    },
    /// Taylor polynomial of exp, of order 1 or 2, around centred keys (ViTALiTy); causal: not centred.
    /// `1 + dim` or `1 + dim + dim (dim + 1) / 2` features. Biased.
    Taylor {
        /// 1 or 2.
        order: usize,
    },
}

/// The options of one attention call. `Options::default()` is every default.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Default [`Method::Auto`].
    pub method: Method,
    /// Floats kept per query row, as a share of the keys, in (0, 1]: support entries plus features. Default
    /// 0.125. Parts with explicit sizes take precedence.
    pub budget: Option<f64>,
    /// The support's share of the budget when a method has both parts and neither has a size, in
    /// (0, 1). Default 0.5. Clusters with landmarks share it out query by query instead.
    pub split: Option<f64>,
    /// Default: clusters. With other features than landmarks, the paper's: SMYRF, or a window when causal.
    pub support: Option<Support>,
    /// Default: landmarks. With other supports than clusters, the paper's: FAVOR+.
    pub features: Option<Features>,
    /// Positive; logits are `scale / temperature · q·k`. Default 1.
    pub temperature: f64,
    /// Positive. Default `1 / sqrt(dim)`.
    pub scale: Option<f64>,
    /// Query i sees keys j <= i only (both counted from 0). Default false.
    pub causal: bool,
    /// Keys of each sequence that are real, the rest being padding; each in 0..=keys. A sequence of length 0
    /// has fully masked rows, and these give 0. Default: all.
    pub key_lengths: Option<Vec<usize>>,
    /// Seed of every random choice. Default 0.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            method: Method::Auto,
            budget: None,
            split: None,
            support: None,
            features: None,
            temperature: 1.0,
            scale: None,
            causal: false,
            key_lengths: None,
            seed: 0,
        }
    }
}
