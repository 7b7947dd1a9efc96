//! Keys in a tree of clusters, and the walk down it that a query takes.
//!
//! Every cluster has up to 16 children, clusters or single keys, whose centroids are stored as one panel: judging
//! all children of a cluster is one small product. A query starts with the top clusters and keeps opening the
//! one that promises most, until its budget of judged children is spent. What then lies open is a partition of the
//! keys: single keys, which are exact, and clusters, each of which stands for its keys with one logit and one
//! mean value. So a query sees its neighbourhood entry by entry, what is further off in ever larger pieces, and
//! touches no more of them than its budget at any sequence length.
//!
//! This is sparse + low rank with nothing to subtract: a cluster that is opened drops out of the low-rank sum.
//!
//! Causal, the tree grows with the sequence: see `index.rs`.

mod build;
mod index;
mod kmeans;
mod metric;
mod tree;
mod walk;

pub(crate) use index::Index;
pub(crate) use tree::Tree;
#[cfg(feature = "webgpu")]
pub(crate) use tree::{CERTAIN, Cluster};
pub(crate) use walk::Walk;
