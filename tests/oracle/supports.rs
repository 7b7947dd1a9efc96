//! The supports, as dense masks built by sorting everything.

use super::head::Head;
use super::{dot, norm};

/// A set of (query, key) pairs.
#[derive(Debug, Clone, PartialEq)]
pub struct Mask {
    keys: usize,
    bits: Vec<bool>,
}

impl Mask {
    pub fn empty(queries: usize, keys: usize) -> Mask {
        Mask { keys, bits: vec![false; queries * keys] }
    }

    pub fn from_bytes(bytes: &[u8], keys: usize) -> Mask {
        Mask { keys, bits: bytes.iter().map(|&b| b != 0).collect() }
    }

    pub fn contains(&self, i: usize, j: usize) -> bool {
        self.bits[i * self.keys + j]
    }

    pub fn insert(&mut self, i: usize, j: usize) {
        self.bits[i * self.keys + j] = true;
    }

    pub fn count(&self) -> usize {
        self.bits.iter().filter(|&&b| b).count()
    }

    pub fn row(&self, i: usize) -> Vec<usize> {
        (0..self.keys).filter(|&j| self.contains(i, j)).collect()
    }

    /// The pairs that `keep` picks, masked ones never.
    pub fn of(head: &Head, keep: impl Fn(usize, usize) -> bool) -> Mask {
        let mut mask = Mask::empty(head.queries, head.keys);
        for i in 0..head.queries {
            for j in 0..head.keys {
                if head.visible(i, j) && keep(i, j) {
                    mask.insert(i, j);
                }
            }
        }
        mask
    }
}

/// -floor(c/2) <= j - i < ceil(c/2); causal: i - c < j <= i.
pub fn window(head: &Head, size: usize) -> Mask {
    let size = size as i64;
    let (before, after) = (size / 2, size - size / 2);
    Mask::of(head, |i, j| {
        let offset = j as i64 - i as i64;
        if head.causal { -size < offset && offset <= 0 } else { -before <= offset && offset < after }
    })
}

/// The `count` visible keys of largest logit.
pub fn top_k(head: &Head, count: usize) -> Mask {
    let mut mask = Mask::empty(head.queries, head.keys);
    for i in 0..head.queries {
        let mut keys: Vec<usize> = (0..head.keys).filter(|&j| head.visible(i, j)).collect();
        keys.sort_by(|&x, &y| head.logit(i, y).total_cmp(&head.logit(i, x)));
        for &j in keys.iter().take(count) {
            mask.insert(i, j);
        }
    }
    mask
}

/// Compressed sparse rows, `indptr` being this head's `queries + 1` numbers.
pub fn explicit(head: &Head, indptr: &[u32], indices: &[u32]) -> Mask {
    Mask::of(head, |i, j| indices[indptr[i] as usize..indptr[i + 1] as usize].contains(&(j as u32)))
}

/// The bucket of each query and of each key in one round of hashing.
pub struct Buckets {
    pub queries: Vec<u32>,
    pub keys: Vec<u32>,
}

/// Every visible key that shares the query's bucket in any round.
pub fn lsh_buckets(head: &Head, rounds: &[Buckets]) -> Mask {
    Mask::of(head, |i, j| rounds.iter().any(|round| round.queries[i] == round.keys[j]))
}

/// Causal chunks: in each round the latest `chunk` visible keys of the query's bucket.
pub fn lsh_latest(head: &Head, rounds: &[Buckets], chunk: usize) -> Mask {
    Mask::of(head, |i, j| {
        rounds.iter().any(|round| {
            let shares = |j: &usize| head.visible(i, *j) && round.queries[i] == round.keys[*j];
            shares(&j) && (j + 1..head.keys).filter(shares).count() < chunk
        })
    })
}

/// SMYRF with one Gaussian direction of `dim + 2` numbers a round. Also the smallest distance between two
/// neighbours in rank that a cut separates, relative to |direction| |F(q)|: below rounding, the clusters are luck.
pub fn smyrf(head: &Head, directions: &[Vec<f64>], cluster: usize) -> (Mask, f64) {
    let unmasked = head.key_length;
    let blocks = unmasked.div_ceil(cluster).max(1);
    let largest = |x: &mut dyn Iterator<Item = &[f64]>| x.map(norm).fold(0.0, f64::max);
    let m_q = largest(&mut (0..head.queries).map(|i| head.query(i)));
    let m_k = largest(&mut (0..unmasked).map(|j| head.key(j)));
    let filler = |x: &[f64]| (m_q * m_q + m_k * m_k - dot(x, x)).max(0.0).sqrt();

    let mut mask = Mask::empty(head.queries, head.keys);
    let mut margin = f64::INFINITY;
    for direction in directions {
        let (w, tail) = direction.split_at(head.dim);
        // F(q) = [q; 0; filler] and G(k) = [k; filler; 0].
        let f: Vec<f64> = (0..head.queries).map(|i| head.query(i)).map(|q| dot(q, w) + filler(q) * tail[1]).collect();
        let g: Vec<f64> = (0..unmasked).map(|j| head.key(j)).map(|k| dot(k, w) + filler(k) * tail[0]).collect();
        let (query_clusters, query_gap) = equal_clusters(&f, blocks);
        let (key_clusters, key_gap) = equal_clusters(&g, blocks);
        margin = margin.min(query_gap.min(key_gap) / (norm(direction) * m_q.hypot(m_k)));
        for (queries, keys) in query_clusters.iter().zip(&key_clusters) {
            for &i in queries {
                keys.iter().for_each(|&j| mask.insert(i, j));
            }
        }
    }
    (mask, margin)
}

/// Sorts `projections` and cuts the order into `blocks`: block c has the ranks [c n / blocks, (c + 1) n / blocks).
fn equal_clusters(projections: &[f64], blocks: usize) -> (Vec<Vec<usize>>, f64) {
    let n = projections.len();
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&x, &y| projections[x].total_cmp(&projections[y]));
    let cuts: Vec<usize> = (0..=blocks).map(|c| c * n / blocks).collect();
    let inner = cuts.iter().filter(|&&c| c > 0 && c < n);
    let gap = inner.map(|&c| projections[order[c]] - projections[order[c - 1]]).fold(f64::INFINITY, f64::min);
    (cuts.windows(2).map(|w| order[w[0]..w[1]].to_vec()).collect(), gap)
}
