//! The feature maps, as the dense kernel f(q_i).f(k_j) that they stand for.

use super::balance::Balance;
use super::head::Head;
use super::{Entry, dot, log_sum_exp, mean};

/// A feature map with the Gaussian directions that it was drawn with, one row of `dim` numbers each.
#[derive(Debug, Clone)]
pub enum Map {
    Favor { directions: Vec<Vec<f64>>, hyperbolic: bool, center: bool, balance: bool },
    Optimal { directions: Vec<Vec<f64>>, center: bool, balance: bool, spread: Option<f64> },
    Elu,
    Taylor { order: usize },
}

/// What the kernel is evaluated from. Entries are computed when asked for: a real head has 16 million.
pub enum Kernel {
    /// sum_r exp(q[i][r] + k[j][r]): every map with positive features.
    Positive { q: Vec<Vec<f64>>, k: Vec<Vec<f64>> },
    /// (1 + t + t^2/2 [order 2]) exp(row[i]), t = q'_i.k'_j.
    Taylor { order: usize, q: Vec<Vec<f64>>, k: Vec<Vec<f64>>, row: Vec<f64> },
}

impl Kernel {
    pub fn new(head: &Head, map: &Map) -> Kernel {
        match map {
            Map::Favor { directions, hyperbolic, center, balance } => {
                let centered = Centered::new(head, *center, *balance);
                if *hyperbolic {
                    centered.features(|x| hyperbolic_features(x, directions))
                } else {
                    centered.features(|x| favor(x, directions))
                }
            }
            Map::Optimal { directions, center, balance, spread } => {
                let centered = Centered::new(head, *center, *balance);
                let a = optimal_a(spread.unwrap_or_else(|| centered.spread(head)), head.dim);
                centered.features(|x| optimal(x, directions, a))
            }
            Map::Elu => {
                // ln(elu(x) + 1) = x for x < 0 and ln(1 + x) otherwise.
                let ln = |x: &[f64]| x.iter().map(|&x| if x < 0.0 { x } else { x.ln_1p() }).collect();
                Centered::new(head, false, false).features(ln)
            }
            Map::Taylor { order } => {
                let Centered { q, k, mean_k, .. } = Centered::keys_only(head, !head.causal);
                // exp(q.k) = exp(q.(k - mu)) exp(q.mu), and only the first factor is expanded.
                let row = q.iter().map(|q| dot(q, &mean_k)).collect();
                Kernel::Taylor { order: *order, q, k, row }
            }
        }
    }

    /// f(q_i).f(k_j).
    pub fn entry(&self, i: usize, j: usize) -> Entry {
        match self {
            Kernel::Positive { q, k } => Entry::exp(log_sum_exp(q[i].iter().zip(&k[j]).map(|(u, z)| u + z))),
            Kernel::Taylor { order, q, k, row } => {
                let t = dot(&q[i], &k[j]);
                let polynomial = if *order == 1 { 1.0 + t } else { 1.0 + t + t * t / 2.0 };
                Entry::of(polynomial).times_exp(row[i])
            }
        }
    }
}

/// Queries and keys after x' = sqrt(b) x and centring, then balanced for the map alone. The factors that centring
/// splits off are exp(q'.mu_k) for a query and exp(mu_q.(k' - mu_k)) for a key.
pub struct Centered {
    pub q: Vec<Vec<f64>>,
    pub k: Vec<Vec<f64>>,
    pub mean_q: Vec<f64>,
    pub mean_k: Vec<f64>,
    pub balance: Option<Balance>,
}

impl Centered {
    pub fn new(head: &Head, center: bool, balance: bool) -> Centered {
        let mut centered = Centered::keys_only(head, center);
        if center {
            centered.mean_q = mean(centered.q.iter().cloned(), head.dim);
        }
        centered.q = centered.q.iter().map(|q| minus(q, &centered.mean_q)).collect();
        if balance {
            centered.balance = Some(Balance::new(&centered.q, &centered.k[..head.key_length], head.dim));
        }
        centered
    }

    /// What the map is given of query i.
    pub fn query(&self, i: usize) -> Vec<f64> {
        self.balance.as_ref().map_or_else(|| self.q[i].clone(), |balance| balance.query(&self.q[i]))
    }

    /// What the map is given of key j.
    pub fn key(&self, j: usize) -> Vec<f64> {
        self.balance.as_ref().map_or_else(|| self.k[j].clone(), |balance| balance.key(&self.k[j]))
    }

    pub fn keys_only(head: &Head, center: bool) -> Centered {
        let zero = vec![0.0; head.dim];
        let unmasked = (0..head.key_length).map(|j| head.scaled_key(j));
        let mean_k = if center { mean(unmasked, head.dim) } else { zero.clone() };
        Centered {
            q: (0..head.queries).map(|i| head.scaled_query(i)).collect(),
            k: (0..head.keys).map(|j| minus(&head.scaled_key(j), &mean_k)).collect(),
            mean_q: zero,
            mean_k,
            balance: None,
        }
    }

    /// ln of the features of every centred query and key, with the factors that centring split off.
    pub fn features(&self, ln_map: impl Fn(&[f64]) -> Vec<f64>) -> Kernel {
        let plus = |features: Vec<f64>, ln: f64| features.iter().map(|u| u + ln).collect();
        let row = |(i, q): (usize, &Vec<f64>)| {
            plus(ln_map(&self.query(i)), dot(q, &self.mean_k) + dot(&self.mean_q, &self.mean_k))
        };
        let column = |(j, k): (usize, &Vec<f64>)| plus(ln_map(&self.key(j)), dot(&self.mean_q, k));
        Kernel::Positive {
            q: self.q.iter().enumerate().map(row).collect(),
            k: self.k.iter().enumerate().map(column).collect(),
        }
    }

    /// The mean of |q' + k'|^2 over queries and unmasked keys.
    pub fn spread(&self, head: &Head) -> f64 {
        let mut sum = 0.0;
        let keys: Vec<Vec<f64>> = (0..head.key_length).map(|j| self.key(j)).collect();
        for i in 0..head.queries {
            for k in &keys {
                sum += self.query(i).iter().zip(k).map(|(x, y)| (x + y) * (x + y)).sum::<f64>();
            }
        }
        sum / f64::max((head.queries * head.key_length) as f64, 1.0)
    }
}

fn minus(x: &[f64], y: &[f64]) -> Vec<f64> {
    x.iter().zip(y).map(|(x, y)| x - y).collect()
}

/// f(x)_r = exp(w_r.x - |x|^2/2) / sqrt(m).
pub fn favor(x: &[f64], directions: &[Vec<f64>]) -> Vec<f64> {
    let ln_sqrt_m = (directions.len() as f64).ln() / 2.0;
    directions.iter().map(|w| dot(w, x) - dot(x, x) / 2.0 - ln_sqrt_m).collect()
}

/// [exp(w.x), exp(-w.x)] exp(-|x|^2/2) / sqrt(m), m counting both signs.
fn hyperbolic_features(x: &[f64], directions: &[Vec<f64>]) -> Vec<f64> {
    let opposite = directions.iter().map(|w| w.iter().map(|x| -x).collect());
    favor(x, &directions.iter().cloned().chain(opposite).collect::<Vec<_>>())
}

/// f(x)_r = (1 - 4a)^(d/4) exp(a |w|^2 + sqrt(1 - 4a) w.x - |x|^2/2) / sqrt(m).
fn optimal(x: &[f64], directions: &[Vec<f64>], a: f64) -> Vec<f64> {
    let d = x.len() as f64;
    let ln_sqrt_m = (directions.len() as f64).ln() / 2.0;
    let ln_feature = |w: &Vec<f64>| {
        d / 4.0 * (1.0 - 4.0 * a).ln() + a * dot(w, w) + (1.0 - 4.0 * a).sqrt() * dot(w, x)
            - dot(x, x) / 2.0
            - ln_sqrt_m
    };
    directions.iter().map(ln_feature).collect()
}

/// a = (1 - 1/p)/8 with p = (sqrt((2s + d)^2 + 8ds) - 2s - d) / (4s), which tends to 1 as s tends to 0.
pub fn optimal_a(s: f64, dim: usize) -> f64 {
    let d = dim as f64;
    if s == 0.0 {
        return 0.0;
    }
    // The same p with the difference of nearly equal numbers multiplied out.
    let p = 2.0 * d / (((2.0 * s + d).powi(2) + 8.0 * d * s).sqrt() + 2.0 * s + d);
    (1.0 - 1.0 / p) / 8.0
}
