//! One head: what attention is given.

use super::dot;

pub struct Head {
    pub queries: usize,
    pub keys: usize,
    pub dim: usize,
    pub value_dim: usize,
    /// Row-major `[queries, dim]`, `[keys, dim]`, `[keys, value_dim]`.
    pub q: Vec<f64>,
    pub k: Vec<f64>,
    pub v: Vec<f64>,
    /// scale / temperature.
    pub b: f64,
    pub causal: bool,
    /// Keys from here on are padding.
    pub key_length: usize,
}

impl Head {
    pub fn query(&self, i: usize) -> &[f64] {
        &self.q[i * self.dim..(i + 1) * self.dim]
    }

    pub fn key(&self, j: usize) -> &[f64] {
        &self.k[j * self.dim..(j + 1) * self.dim]
    }

    pub fn value(&self, j: usize) -> &[f64] {
        &self.v[j * self.value_dim..(j + 1) * self.value_dim]
    }

    /// q' = sqrt(b) q.
    pub fn scaled_query(&self, i: usize) -> Vec<f64> {
        self.query(i).iter().map(|x| self.b.sqrt() * x).collect()
    }

    /// k' = sqrt(b) k.
    pub fn scaled_key(&self, j: usize) -> Vec<f64> {
        self.key(j).iter().map(|x| self.b.sqrt() * x).collect()
    }

    pub fn visible(&self, i: usize, j: usize) -> bool {
        j < self.key_length && (!self.causal || j <= i)
    }

    /// The keys that query i may attend to.
    pub fn visible_keys(&self, i: usize) -> usize {
        if self.causal { self.key_length.min(i + 1) } else { self.key_length }
    }

    /// s_ij = b q_i.k_j.
    pub fn logit(&self, i: usize, j: usize) -> f64 {
        self.b * dot(self.query(i), self.key(j))
    }
}
