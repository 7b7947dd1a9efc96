//! Theorem 2: exact on a hashed support, features elsewhere, has 1 - p times the mean squared error of the features
//! alone, p being the probability that the hash finds the pair. And how p falls with distance and dimension.

use scatterbrain::analysis::{ClusteredTokens, Decomposition, decompose};
use scatterbrain::support::lsh::bucket_ids;
use scatterbrain::{Features, Method, Options, Result, Support, TensorView};
use serde::Serialize;

/// Logits are q·k / 4. The estimate of exp(q·k) itself has such long tails that no sample of ours has a standard error.
const SCALE: f64 = 0.25;

const FEATURES: usize = 64;

/// Seed of the vectors.
const SEED: u64 = 1;

/// Distances between query and key, 0.1 to 1.4; the vectors have length 1.
pub fn distances() -> impl Iterator<Item = f64> {
    (1..=14).map(|tenths| f64::from(tenths) / 10.0)
}

/// One pair of vectors, over seeds of hash and features.
#[derive(Debug, Clone, Serialize)]
pub struct Variance {
    /// Distance of the pair.
    pub t: f64,
    pub d: usize,
    /// How often the pair was in the support, and the standard error.
    pub p: f64,
    pub p_error: f64,
    /// Mean of (f·f - A)², A = exp(q·k / 4), and its standard error.
    pub mse_features: f64,
    pub mse_features_error: f64,
    /// Mean of (Â - A)².
    pub mse_scatterbrain: f64,
    /// The second mean over the first: 1 - p, if hash and features are independent.
    pub ratio: f64,
    /// Standard error of ratio - (1 - p), all three sampled with the same seeds.
    pub ratio_error: f64,
}

/// How often one pair of vectors collides.
#[derive(Debug, Clone, Serialize)]
pub struct Collision {
    pub t: f64,
    pub d: usize,
    pub p: f64,
    pub p_error: f64,
    /// d^(-t² / (4 - t²)): the formula without its O(ln ln d).
    pub p_formula: f64,
    /// The probability for a Gaussian rotation, by quadrature.
    pub p_gaussian: f64,
    /// ln(1 / p) over ln(1 / p_formula).
    pub exponent_ratio: f64,
    /// (ln(1 / p) - ln(1 / p_formula)) / ln ln d: the constant of the O(ln ln d).
    pub remainder: f64,
}

/// A query, and a key at each distance from it, all of length 1, and in one plane. Row-major; the query comes first.
fn vectors(d: usize) -> Result<Vec<f32>> {
    let two = ClusteredTokens { tokens: 2, clusters: 2, spread: 0.0, dim: d }.sample(SEED)?;
    let (query, other) = two.split_at(d);
    let overlap: f64 = query.iter().zip(other).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
    let mut across: Vec<f64> = query.iter().zip(other).map(|(&a, &b)| f64::from(b) - overlap * f64::from(a)).collect();
    let length = across.iter().map(|x| x * x).sum::<f64>().sqrt();
    across.iter_mut().for_each(|x| *x /= length);
    let mut vectors = query.to_vec();
    for t in distances() {
        let cosine = 1.0 - t * t / 2.0;
        let sine = (1.0 - cosine * cosine).sqrt();
        vectors.extend(query.iter().zip(&across).map(|(&q, u)| (cosine * f64::from(q) + sine * u) as f32));
    }
    Ok(vectors)
}

/// Samples both mean squared errors over seeds, of the same features.
pub fn variances(d: usize, seeds: u64) -> Result<Vec<Variance>> {
    let vectors = vectors(d)?;
    let (query, keys) = vectors.split_at(d);
    let count = keys.len() / d;
    let (q, k) = (TensorView::head(query, 1, d), TensorView::head(keys, count, d));
    let features = Some(Features::Favor { count: Some(FEATURES), hyperbolic: false, center: false, balance: false });
    let low_rank = Options { method: Method::LowRank, features, scale: Some(SCALE), ..Options::default() };
    let support = Some(Support::Lsh { rounds: Some(1), chunk: None });
    let both = Options { method: Method::Scatterbrain, support, ..low_rank.clone() };

    let mut sums = vec![Sums::default(); count];
    for seed in 0..seeds {
        let alone = decompose(q, k, k, &Options { seed, ..low_rank.clone() })?;
        let hashed = decompose(q, k, k, &Options { seed, ..both.clone() })?;
        for (key, sums) in sums.iter_mut().enumerate() {
            let exact = f64::from(alone.exact[key]) * alone.exact_log_normalizer[0].exp();
            let square = |of: &Decomposition| {
                let estimate = f64::from(of.approximation[key]) * of.log_normalizer[0].exp();
                (estimate - exact).powi(2)
            };
            sums.add(hashed.support[key] == 1, square(&alone), square(&hashed));
        }
    }
    Ok(distances().zip(sums).map(|(t, sums)| sums.finish(t, d, seeds as f64)).collect())
}

#[derive(Clone, Default)]
struct Sums {
    found: f64,
    features: f64,
    features_squared: f64,
    scatterbrain: f64,
}

impl Sums {
    fn add(&mut self, found: bool, features: f64, scatterbrain: f64) {
        self.found += f64::from(u8::from(found));
        self.features += features;
        self.features_squared += features * features;
        self.scatterbrain += scatterbrain;
    }

    /// With I the indicator of the support and e² the squared error of the features, the mean of (1 - I) e² less the
    /// product of the means of 1 - I and e² is minus a sampled covariance. Of independent variables it has the variance
    /// p (1 - p) Var(e²) / seeds.
    fn finish(&self, t: f64, d: usize, seeds: f64) -> Variance {
        let (p, mean) = (self.found / seeds, self.features / seeds);
        let deviation = (self.features_squared / seeds - mean * mean).sqrt();
        let p_error = (p * (1.0 - p) / seeds).sqrt();
        Variance {
            t,
            d,
            p,
            p_error,
            mse_features: mean,
            mse_features_error: deviation / seeds.sqrt(),
            mse_scatterbrain: self.scatterbrain / seeds,
            ratio: self.scatterbrain / self.features,
            ratio_error: p_error * deviation / mean,
        }
    }
}

/// Samples the collision probabilities over seeds of the hash.
pub fn collisions(d: usize, seeds: u64) -> Result<Vec<Collision>> {
    let vectors = vectors(d)?;
    let mut found = vec![0u64; vectors.len() / d - 1];
    for seed in 0..seeds {
        let buckets = bucket_ids(seed, 0, 0, &vectors, d);
        for (found, bucket) in found.iter_mut().zip(&buckets[1..]) {
            *found += u64::from(*bucket == buckets[0]);
        }
    }
    Ok(distances().zip(found).map(|(t, found)| collision(t, d, found as f64 / seeds as f64, seeds as f64)).collect())
}

fn collision(t: f64, d: usize, p: f64, seeds: f64) -> Collision {
    let ln_d = (d as f64).ln();
    let formula = t * t / (4.0 - t * t) * ln_d;
    Collision {
        t,
        d,
        p,
        p_error: (p * (1.0 - p) / seeds).sqrt(),
        p_formula: (-formula).exp(),
        p_gaussian: gaussian_collision(t, d),
        exponent_ratio: -p.ln() / formula,
        remainder: (-p.ln() - formula) / ln_d.ln(),
    }
}

/// The collision probability of a Gaussian rotation: both vectors are largest, with one sign, along the same one of d
/// axes, on each of which their components (x, y) are independent normal pairs of correlation 1 - t²/2. Midpoint rule.
fn gaussian_collision(t: f64, d: usize) -> f64 {
    const STEPS: usize = 1000;
    const END: f64 = 6.0;
    let correlation = 1.0 - t * t / 2.0;
    let rest = 1.0 - correlation * correlation;
    let step = END / STEPS as f64;
    let mass = |x: f64, y: f64| {
        let square = (x * x - 2.0 * correlation * x * y + y * y) / rest;
        (-square / 2.0).exp() * step * step / (std::f64::consts::TAU * rest.sqrt())
    };
    // P(|x| <= X and |y| <= Y) at the corners of the cells of one row.
    let mut inside = vec![0.0; STEPS + 1];
    let mut p = 0.0;
    for row in 0..STEPS {
        let x = (row as f64 + 0.5) * step;
        let (mut added, mut corner) = (0.0, inside[0]);
        for column in 0..STEPS {
            let y = (column as f64 + 0.5) * step;
            let same = mass(x, y);
            let (below, below_next) = (corner, inside[column + 1]);
            let above = if column == 0 { 0.0 } else { inside[column] };
            added += 2.0 * (same + mass(x, -y));
            inside[column + 1] += added;
            corner = below_next;
            let middle = (below + below_next + above + inside[column + 1]) / 4.0;
            p += same * middle.powi(d as i32 - 1);
        }
    }
    2.0 * d as f64 * p
}
