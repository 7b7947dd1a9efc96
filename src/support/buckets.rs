//! Rounds of hashing: in each, every token is in one bucket, and a query takes the keys of its own.

use crate::error::Result;
use crate::support::Groups;

/// What hashing made of a head. The support is the union of the rounds.
pub(crate) struct Buckets {
    pub rounds: Vec<Round>,
    /// Causal: at most this many of the latest keys of a bucket.
    pub latest: usize,
}

/// One round.
pub(crate) struct Round {
    /// Bucket of each query.
    pub of_query: Vec<u32>,
    /// Bucket of each key.
    pub of_key: Vec<u32>,
    pub queries: Groups,
    pub keys: Groups,
}

impl Round {
    pub fn new(of_query: Vec<u32>, of_key: Vec<u32>, buckets: usize) -> Result<Round> {
        let (queries, keys) = (Groups::new(&of_query, buckets)?, Groups::new(&of_key, buckets)?);
        Ok(Round { of_query, of_key, queries, keys })
    }
}

impl Buckets {
    /// The keys of `query` in one round, ascending; the first `visible` keys may be seen.
    pub fn keys(&self, query: usize, round: usize, visible: usize) -> &[u32] {
        let Round { of_query, keys, .. } = &self.rounds[round];
        let keys = keys.group(of_query[query] as usize);
        let seen = &keys[..keys.partition_point(|&key| (key as usize) < visible)];
        &seen[seen.len().saturating_sub(self.latest)..]
    }
}
