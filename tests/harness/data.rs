//! Inputs drawn from a generator of our own, so that a case is the same on every target and owes nothing to the
//! crate under test.

use scatterbrain::{Shape, TensorView};

/// SplitMix64 (Steele, Lea and Flood 2014).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// In (0, 1).
    pub fn uniform(&mut self) -> f64 {
        ((self.bits() >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    }

    /// Standard normal (Box and Muller 1958).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * self.uniform().ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.bits() % n as u64) as usize
    }

    pub fn normals(&mut self, count: usize, deviation: f64) -> Vec<f32> {
        (0..count).map(|_| (deviation * self.normal()) as f32).collect()
    }

    /// A random order of 0..n (Fisher and Yates).
    pub fn permutation(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        for i in (1..n).rev() {
            order.swap(i, self.below(i + 1));
        }
        order
    }
}

/// The three tensors of a call.
#[derive(Clone)]
pub struct Inputs {
    pub shape: Shape,
    pub q: Vec<f32>,
    pub k: Vec<f32>,
    pub v: Vec<f32>,
}

impl Inputs {
    /// Normal queries and keys of the given standard deviation, off centre so that centring matters, and
    /// standard normal values.
    pub fn normal(shape: Shape, deviation: f64, seed: u64) -> Inputs {
        let mut random = Random::new(seed);
        let mut tokens = |count: usize| {
            let offset: Vec<f32> = random.normals(shape.dim, 0.5 * deviation);
            let mut x = random.normals(count, deviation);
            x.iter_mut().enumerate().for_each(|(n, x)| *x += offset[n % shape.dim]);
            x
        };
        let (q, k) = (tokens(shape.q_len()), tokens(shape.k_len()));
        let v = random.normals(shape.v_len(), 1.0);
        Inputs { shape, q, k, v }
    }

    pub fn q(&self) -> TensorView<'_> {
        let s = self.shape;
        TensorView::new(&self.q, [s.batch, s.heads, s.queries, s.dim])
    }

    pub fn k(&self) -> TensorView<'_> {
        let s = self.shape;
        TensorView::new(&self.k, [s.batch, s.kv_heads, s.keys, s.dim])
    }

    pub fn v(&self) -> TensorView<'_> {
        let s = self.shape;
        TensorView::new(&self.v, [s.batch, s.kv_heads, s.keys, s.value_dim])
    }

    /// Query, key and value slices of (batch, head) number `slice`, the last two shared by a group of heads.
    pub fn slice(&self, slice: usize) -> (&[f32], &[f32], &[f32]) {
        let s = self.shape;
        let (batch, head) = (slice / s.heads, slice % s.heads);
        let kv = batch * s.kv_heads + head / (s.heads / s.kv_heads);
        (
            block(&self.q, slice, s.queries * s.dim),
            block(&self.k, kv, s.keys * s.dim),
            block(&self.v, kv, s.keys * s.value_dim),
        )
    }
}

fn block(data: &[f32], index: usize, len: usize) -> &[f32] {
    &data[index * len..(index + 1) * len]
}

/// One head of one sequence.
pub fn single(queries: usize, keys: usize, dim: usize, value_dim: usize) -> Shape {
    Shape { batch: 1, heads: 1, queries, keys, dim, value_dim, kv_heads: 1 }
}
