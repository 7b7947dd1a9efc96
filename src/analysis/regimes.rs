//! The clustered tokens of the paper's theorem 1, whose attention is low rank, sparse, or both, as temperature has it.

use crate::error::{Error, Result, number};
use crate::memory;
use crate::random::{Purpose, generator, normals};
use crate::shape::{MAX_DIM, MAX_SIZE};

/// Of [`ClusteredTokens`]: their products then fit into f32.
const MAX_SPREAD: f64 = 1e6;

/// Tokens scattered around centres: z = c + r, the centres c uniform on the unit sphere and r ~ N(0, (spread²/dim) I).
/// With queries = keys = z and logits β z·z', tokens of one cluster have logits of about β, a token with itself
/// β (1 + spread²), and tokens of two clusters about 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClusteredTokens {
    /// At least 1.
    pub tokens: usize,
    /// Equal clusters, 1 to the tokens. Tokens of one cluster are neighbours.
    pub clusters: usize,
    /// Expected distance of a token from its centre (its root mean square), 0 to 10⁶.
    pub spread: f64,
    /// Head dimension, 1 to 1024.
    pub dim: usize,
}

impl ClusteredTokens {
    /// The tokens, row-major `[tokens, dim]`. The same seed gives the same bits. O(tokens · dim).
    ///
    /// # Errors
    /// [`Error::InvalidShape`] or [`Error::InvalidOption`] naming the field; [`Error::OutOfMemory`].
    pub fn sample(&self, seed: u64) -> Result<Vec<f32>> {
        let ClusteredTokens { tokens, clusters, spread, dim } = *self;
        for (name, value, max) in [("tokens", tokens, MAX_SIZE), ("dim", dim, MAX_DIM), ("clusters", clusters, tokens)]
        {
            if !(1..=max).contains(&value) {
                return Err(Error::shape(name, value, format!("a whole number from 1 to {max}")));
            }
        }
        if !(0.0..=MAX_SPREAD).contains(&spread) {
            return Err(Error::option("spread", number(spread), format!("a number from 0 to {MAX_SPREAD}")));
        }
        let rng = &mut generator(seed, 0, Purpose::Tokens);
        let mut z = memory::with_capacity("the tokens", tokens.saturating_mul(dim))?;
        let deviation = spread / (dim as f64).sqrt();
        let mut centre = Vec::new();
        for token in 0..tokens {
            let cluster = |token: usize| token as u64 * clusters as u64 / tokens as u64;
            if token == 0 || cluster(token) > cluster(token - 1) {
                // A Gaussian vector has a uniform direction. Its length is zero with probability zero.
                centre = normals(rng, dim);
                let length = centre.iter().map(|x| x * x).sum::<f64>().sqrt();
                centre.iter_mut().for_each(|x| *x /= length);
            }
            z.extend(centre.iter().zip(normals(rng, dim)).map(|(c, r)| (c + deviation * r) as f32));
        }
        Ok(z)
    }

    /// What it takes to come within `error` of the matrix exp(`beta` z·z'), relative, in the Frobenius norm; both are
    /// positive. To leading order the matrix is ones, plus what stands out of them inside the clusters and on the
    /// diagonal. Where the squares of one of the two sum to less than error² times those of the other, it can be left
    /// out. O(1): it looks at no sample.
    ///
    /// Both come to the same size at β = ln(clusters) / 2: if the clusters are a power of the tokens, the regimes keep
    /// their places on the scale of β / ln(tokens), up to terms that do not grow.
    pub fn regime(&self, beta: f64, error: f64) -> Regime {
        // Above this exponentials overflow, and the answer is long clear.
        let beta = beta.min(300.0);
        let (tokens, clusters) = (self.tokens as f64, self.clusters as f64);
        let inside = beta.exp_m1().powi(2) / clusters;
        let diagonal = (beta.exp() * (beta * self.spread * self.spread).exp_m1()).powi(2) / tokens;
        let (standing_out, ones) = (inside + diagonal, 1.0);
        if standing_out < error * error * ones {
            Regime::LowRank
        } else if ones < error * error * standing_out {
            Regime::Sparse
        } else {
            Regime::Both
        }
    }
}

/// Which approximation is the right one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Regime {
    /// High temperature: a low-rank matrix alone.
    LowRank,
    /// The sum of a sparse and a low-rank matrix, and neither alone.
    Both,
    /// Low temperature: a sparse matrix alone.
    Sparse,
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODEL: ClusteredTokens = ClusteredTokens { tokens: 1000, clusters: 10, spread: 0.5, dim: 200 };

    fn dot(a: &[f32], b: &[f32]) -> f64 {
        a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
    }

    #[test]
    fn centres_have_length_one_and_tokens_their_spread() {
        let centres = ClusteredTokens { spread: 0.0, ..MODEL }.sample(7).unwrap();
        let first: Vec<&[f32]> = centres.chunks(100 * MODEL.dim).collect();
        assert_eq!(first.len(), 10);
        for cluster in first {
            let centre = &cluster[..MODEL.dim];
            assert!((dot(centre, centre) - 1.0).abs() < 1e-6);
            assert!(cluster.chunks(MODEL.dim).all(|token| token == centre));
        }
        // Means of 1000 and of 10 · 99 numbers: 4 standard errors are below these tolerances.
        let z = MODEL.sample(7).unwrap();
        let square = dot(&z, &z) / MODEL.tokens as f64;
        assert!((square - 1.25).abs() < 0.02, "{square}");
        let tokens: Vec<&[f32]> = z.chunks(MODEL.dim).collect();
        let inside = (0..1000).filter(|i| i % 100 > 0).map(|i| dot(tokens[i], tokens[i - 1])).sum::<f64>() / 990.0;
        assert!((inside - 1.0).abs() < 0.02, "{inside}");
    }

    #[test]
    fn a_seed_is_a_sample() {
        assert_eq!(MODEL.sample(1), MODEL.sample(1));
        assert_ne!(MODEL.sample(1), MODEL.sample(2));
    }

    #[test]
    fn impossible_models_are_refused_by_name() {
        let refused = |model: ClusteredTokens| model.sample(0).unwrap_err().to_string();
        assert!(refused(ClusteredTokens { tokens: 0, ..MODEL }).contains("tokens: 0"));
        assert!(refused(ClusteredTokens { dim: 1025, ..MODEL }).contains("dim: 1025"));
        assert!(refused(ClusteredTokens { clusters: 0, ..MODEL }).contains("clusters: 0"));
        assert!(refused(ClusteredTokens { clusters: 1001, ..MODEL }).contains("from 1 to 1000"));
        for spread in [-0.1, 1e7, f64::NAN, f64::INFINITY] {
            assert!(refused(ClusteredTokens { spread, ..MODEL }).contains("spread"));
        }
    }

    #[test]
    fn regimes_follow_each_other_up_to_any_temperature() {
        for spread in [0.0, 0.5, 2.0] {
            let model = ClusteredTokens { spread, ..MODEL };
            let regimes = [0.0, 0.01, 1.0, 10.0, 1e3, 1e300].map(|beta| model.regime(beta, 0.1));
            use Regime::{Both, LowRank, Sparse};
            assert_eq!(regimes, [LowRank, LowRank, Both, Sparse, Sparse, Sparse], "{spread}");
        }
    }
}
