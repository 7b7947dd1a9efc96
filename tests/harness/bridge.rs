//! From a call to the crate to the reference's terms: heads, feature maps and supports.

use scatterbrain::{Features, Method, Options, Shape, Support, features, support};

use super::data::Inputs;
use super::tolerance::{UNIT, growth};
use crate::oracle::head::Head;
use crate::oracle::kernel::Map;
use crate::oracle::supports::{self, Buckets, Mask};

/// scale / temperature.
pub fn logit_scale(shape: Shape, options: &Options) -> f64 {
    options.scale.unwrap_or(1.0 / (shape.dim as f64).sqrt()) / options.temperature
}

/// Head number `slice` = batch * heads + head of a call.
pub fn head(inputs: &Inputs, options: &Options, slice: usize) -> Head {
    let shape = inputs.shape;
    let (q, k, v) = inputs.slice(slice);
    Head {
        queries: shape.queries,
        keys: shape.keys,
        dim: shape.dim,
        value_dim: shape.value_dim,
        q: wide(q),
        k: wide(k),
        v: wide(v),
        b: logit_scale(shape, options),
        causal: options.causal,
        key_length: options.key_lengths.as_ref().map_or(shape.keys, |lengths| lengths[slice / shape.heads]),
    }
}

/// The reference's feature map for a call, `None` for methods without a low-rank part.
pub fn map(dim: usize, options: &Options, slice: usize) -> Option<Map> {
    let directions = |count: usize| rows(&features::directions(options.seed, slice, dim, count), dim);
    match options.method {
        Method::Exact | Method::Sparse => return None,
        Method::Vitality => return Some(Map::Taylor { order: 1 }),
        _ => {}
    }
    Some(match *options.features.as_ref().expect("cases name their features") {
        Features::Favor { count, hyperbolic, center, balance } => {
            let count = count.expect("cases name their sizes") / (1 + usize::from(hyperbolic));
            Map::Favor { directions: directions(count), hyperbolic, center, balance }
        }
        Features::Optimal { count, center, balance, spread } => {
            Map::Optimal { directions: directions(count.expect("cases name their sizes")), center, balance, spread }
        }
        Features::Elu => Map::Elu,
        Features::Taylor { order } => Map::Taylor { order },
        _ => panic!("a feature map that the reference does not know"),
    })
}

/// The reference's support for a call.
pub fn mask(inputs: &Inputs, options: &Options, slice: usize) -> Mask {
    let head = head(inputs, options, slice);
    let size = |n: Option<usize>| n.expect("cases name their sizes");
    let Some(support) = &options.support else {
        let all = options.method == Method::Exact;
        return Mask::of(&head, |_, _| all);
    };
    match support {
        Support::Window { size: n } => supports::window(&head, size(*n)),
        Support::TopK { count } => supports::top_k(&head, size(*count)),
        Support::Lsh { rounds, chunk } => {
            let buckets = buckets(inputs, options, slice, size(*rounds));
            match chunk {
                None => supports::lsh_buckets(&head, &buckets),
                Some(chunk) if head.causal => supports::lsh_latest(&head, &buckets, *chunk),
                Some(_) => panic!("sorted chunks are tested by their properties"),
            }
        }
        Support::Smyrf { cluster, rounds } => {
            let directions = smyrf_directions(head.dim, options, slice, size(*rounds));
            let (mask, margin) = supports::smyrf(&head, &directions, size(*cluster));
            assert!(margin > projection_rounding(head.dim), "two projections across a cut are equal but for rounding");
            mask
        }
        Support::Explicit { indptr, indices } => {
            let first = if indptr.len() == head.queries + 1 { 0 } else { slice * head.queries };
            supports::explicit(&head, &indptr[first..=first + head.queries], indices)
        }
        _ => panic!("a support that the reference does not know"),
    }
}

/// Whether rounding cannot move a token across a cut of any head's clusters. Where it can, the support is a toss-up.
pub fn clusters_are_clear(inputs: &Inputs, options: &Options) -> bool {
    let Some(Support::Smyrf { cluster: Some(cluster), rounds: Some(rounds) }) = options.support else { return true };
    (0..inputs.shape.batch * inputs.shape.heads).all(|slice| {
        let directions = smyrf_directions(inputs.shape.dim, options, slice, rounds);
        supports::smyrf(&head(inputs, options, slice), &directions, cluster).1 > projection_rounding(inputs.shape.dim)
    })
}

/// Rounding of the difference of two projections, relative to their magnitude.
fn projection_rounding(dim: usize) -> f64 {
    2.0 * UNIT * (growth(dim + 2) + 2.0)
}

/// The crate's bucket numbers of one head, round by round.
pub fn buckets(inputs: &Inputs, options: &Options, slice: usize, rounds: usize) -> Vec<Buckets> {
    let (q, k, _) = inputs.slice(slice);
    let ids = |round, x| support::lsh::bucket_ids(options.seed, slice, round, x, inputs.shape.dim);
    (0..rounds).map(|round| Buckets { queries: ids(round, q), keys: ids(round, k) }).collect()
}

/// The crate's SMYRF directions of one head, round by round.
pub fn smyrf_directions(dim: usize, options: &Options, slice: usize, rounds: usize) -> Vec<Vec<f64>> {
    (0..rounds).map(|round| wide(&support::smyrf::direction(options.seed, slice, round, dim + 2))).collect()
}

pub fn wide(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&x| f64::from(x)).collect()
}

fn rows(x: &[f32], dim: usize) -> Vec<Vec<f64>> {
    x.chunks_exact(dim).map(wide).collect()
}
