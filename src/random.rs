//! Random numbers. ChaCha8 is portable and specified to the bit, so one seed means the same features and the same
//! hashes on every machine. Each (batch, head) and each use has a stream of its own: hashing and features are
//! independent, and so are heads.

use chacha20::ChaCha8Rng;
use chacha20::rand_core::{Rng, SeedableRng};
use rand_distr::{Distribution, StandardNormal};

/// What the numbers are for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose {
    Features,
    Hash { round: usize },
    Clusters,
}

/// The generator of slice `slice` = batch * heads + head.
pub(crate) fn generator(seed: u64, slice: usize, purpose: Purpose) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let purpose = match purpose {
        Purpose::Features => 0,
        Purpose::Hash { round } => 1 + round as u64,
        Purpose::Clusters => 255,
    };
    rng.set_stream((slice as u64) << 8 | purpose);
    rng
}

/// Independent standard normal numbers.
pub(crate) fn normals(rng: &mut ChaCha8Rng, count: usize) -> Vec<f64> {
    (0..count).map(|_| StandardNormal.sample(rng)).collect()
}

/// Independent fair signs.
pub(crate) fn signs(rng: &mut ChaCha8Rng, count: usize) -> Vec<f32> {
    (0..count).map(|_| if rng.next_u32() >> 31 == 0 { 1.0 } else { -1.0 }).collect()
}
