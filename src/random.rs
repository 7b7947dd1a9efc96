//! Random numbers. ChaCha8 is portable and specified to the bit, so one seed means the same features and the same
//! hashes on every machine. Each (batch, head) and each use has a stream of its own: hashing and features are
//! independent, and so are heads.

use chacha20::ChaCha8Rng;
use chacha20::rand_core::{Rng, SeedableRng};

/// What the numbers are for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose {
    Features,
    Hash {
        round: usize,
    },
    Clusters,
    /// Synthetic tokens.
    Tokens,
}

/// The generator of slice `slice` = batch * heads + head.
pub(crate) fn generator(seed: u64, slice: usize, purpose: Purpose) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let purpose = match purpose {
        Purpose::Features => 0,
        Purpose::Hash { round } => 1 + round as u64,
        Purpose::Clusters => 255,
        Purpose::Tokens => 254,
    };
    rng.set_stream((slice as u64) << 8 | purpose);
    rng
}

/// Independent standard normal numbers, by the polar method (Marsaglia and Bray 1964). The ziggurat is faster, and its
/// tables take 4 kB that no compression makes smaller.
pub(crate) fn normals(rng: &mut ChaCha8Rng, count: usize) -> Vec<f64> {
    // In (-1, 1).
    let mut uniform = || ((rng.next_u64() >> 11) as f64 + 0.5) * 2f64.powi(-52) - 1.0;
    let mut out = Vec::with_capacity(count + 1);
    while out.len() < count {
        let (x, y) = (uniform(), uniform());
        let square = x * x + y * y;
        if square < 1.0 {
            let factor = (-2.0 * square.ln() / square).sqrt();
            out.extend([x * factor, y * factor]);
        }
    }
    out.truncate(count);
    out
}

/// Independent fair signs.
pub(crate) fn signs(rng: &mut ChaCha8Rng, count: usize) -> Vec<f32> {
    (0..count).map(|_| if rng.next_u32() >> 31 == 0 { 1.0 } else { -1.0 }).collect()
}
