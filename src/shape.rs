//! Tensors as the crate sees them: `[batch, heads, tokens, dim]`, row-major, f32.

use std::ops::Range;

use crate::error::{Error, Result, number};

/// Largest head dimension and value dimension. Orthogonal random features cost `dim³`, so an
/// absurd value would look like a hang.
pub const MAX_DIM: usize = 1024;

/// Largest batch, number of heads and number of tokens. Indices are stored as `u32`.
pub const MAX_SIZE: usize = 1 << 30;

/// A borrowed tensor `[batch, heads, tokens, dim]`, row-major.
#[derive(Debug, Clone, Copy)]
pub struct TensorView<'a> {
    /// The elements, last dimension fastest.
    pub data: &'a [f32],
    /// `[batch, heads, tokens, dim]`.
    pub shape: [usize; 4],
}

impl<'a> TensorView<'a> {
    /// A view of `data` as `shape`; lengths are checked by the call that uses it.
    pub fn new(data: &'a [f32], shape: [usize; 4]) -> Self {
        Self { data, shape }
    }

    /// One head of one sequence: `[1, 1, tokens, dim]`.
    pub fn head(data: &'a [f32], tokens: usize, dim: usize) -> Self {
        Self::new(data, [1, 1, tokens, dim])
    }
}

/// An owned tensor `[batch, heads, tokens, dim]`, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// The elements, last dimension fastest.
    pub data: Vec<f32>,
    /// `[batch, heads, tokens, dim]`.
    pub shape: [usize; 4],
}

impl Tensor {
    /// Borrow it.
    pub fn view(&self) -> TensorView<'_> {
        TensorView::new(&self.data, self.shape)
    }
}

/// The seven sizes of an attention call. `queries` and `keys` may differ, and so may `dim` (of
/// queries and keys) and `value_dim`. With grouped-query attention `kv_heads < heads`: query head
/// `h` reads key and value head `h / (heads / kv_heads)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Sequences.
    pub batch: usize,
    /// Query heads.
    pub heads: usize,
    /// Query tokens per sequence.
    pub queries: usize,
    /// Key tokens per sequence, padding included.
    pub keys: usize,
    /// Length of one query or key.
    pub dim: usize,
    /// Length of one value.
    pub value_dim: usize,
    /// Key and value heads; divides `heads`.
    pub kv_heads: usize,
}

impl Shape {
    /// Reads the sizes off the three tensors and checks that they belong together.
    ///
    /// # Errors
    /// [`Error::InvalidShape`] naming the size, or the tensor whose length does not fit.
    pub fn of(q: TensorView, k: TensorView, v: TensorView) -> Result<Shape> {
        let [batch, heads, queries, dim] = q.shape;
        let [_, kv_heads, keys, _] = k.shape;
        let shape = Shape { batch, heads, queries, keys, dim, value_dim: v.shape[3], kv_heads };
        let expected_k = [batch, kv_heads, keys, dim];
        if k.shape != expected_k {
            return Err(Error::shape("k.shape", format!("{:?}", k.shape), format!("{expected_k:?}")));
        }
        let expected_v = [batch, kv_heads, keys, v.shape[3]];
        if v.shape != expected_v {
            return Err(Error::shape("v.shape", format!("{:?}", v.shape), format!("{expected_v:?}")));
        }
        shape.check()?;
        let lengths = [q.data.len(), k.data.len(), v.data.len()];
        shape.check_lengths("", lengths, [shape.q_len(), shape.k_len(), shape.v_len()])?;
        Ok(shape)
    }

    /// Checks each size, and that their products can be addressed.
    pub fn check(&self) -> Result<()> {
        let sizes = [
            ("shape.batch", self.batch, MAX_SIZE),
            ("shape.heads", self.heads, MAX_SIZE),
            ("shape.queries", self.queries, MAX_SIZE),
            ("shape.keys", self.keys, MAX_SIZE),
            ("shape.dim", self.dim, MAX_DIM),
            ("shape.valueDim", self.value_dim, MAX_DIM),
            ("shape.kvHeads", self.kv_heads, MAX_SIZE),
        ];
        for (name, value, max) in sizes {
            if value == 0 || value > max {
                return Err(Error::shape(name, value, format!("a whole number from 1 to {max}")));
            }
        }
        if !self.heads.is_multiple_of(self.kv_heads) {
            return Err(Error::shape(
                "shape.kvHeads",
                self.kv_heads,
                format!("a divisor of shape.heads = {}", self.heads),
            ));
        }
        for (name, heads, tokens, dim) in [
            ("batch * heads * queries * dim", self.heads, self.queries, self.dim),
            ("batch * kvHeads * keys * dim", self.kv_heads, self.keys, self.dim),
            ("batch * kvHeads * keys * valueDim", self.kv_heads, self.keys, self.value_dim),
            ("batch * heads * queries * valueDim", self.heads, self.queries, self.value_dim),
        ] {
            let count = [heads, tokens, dim].iter().fold(self.batch as f64, |n, &x| n * x as f64);
            if count > isize::MAX as f64 / 4.0 {
                return Err(Error::shape(name, number(count), "a tensor that fits into memory"));
            }
        }
        Ok(())
    }

    /// For analyses of one head.
    pub(crate) fn check_one_head(&self) -> Result<()> {
        for (name, count) in [("shape.batch", self.batch), ("shape.heads", self.heads)] {
            if count != 1 {
                return Err(Error::shape(name, count, "1"));
            }
        }
        Ok(())
    }

    /// `share` are the words for what the tensors are of the whole ones, which begin the formulas.
    pub(crate) fn check_lengths(&self, share: &str, lengths: [usize; 3], expected: [usize; 3]) -> Result<()> {
        for ((name, formula), (length, expected)) in [
            ("q.length", "batch * heads * queries * dim"),
            ("k.length", "batch * kvHeads * keys * dim"),
            ("v.length", "batch * kvHeads * keys * valueDim"),
        ]
        .into_iter()
        .zip(lengths.into_iter().zip(expected))
        {
            if length != expected {
                return Err(Error::shape(name, length, format!("{expected} ({share}{formula})")));
            }
        }
        Ok(())
    }

    /// Elements of the query tensor.
    pub fn q_len(&self) -> usize {
        self.batch * self.heads * self.queries * self.dim
    }

    /// Elements of the key tensor.
    pub fn k_len(&self) -> usize {
        self.batch * self.kv_heads * self.keys * self.dim
    }

    /// Elements of the value tensor.
    pub fn v_len(&self) -> usize {
        self.batch * self.kv_heads * self.keys * self.value_dim
    }

    /// `[batch, heads, queries, valueDim]`.
    pub fn output(&self) -> [usize; 4] {
        [self.batch, self.heads, self.queries, self.value_dim]
    }

    /// Number of (batch, head) pairs; each is worked on alone.
    pub fn slices(&self) -> usize {
        self.batch * self.heads
    }

    /// The sequence that slice `slice` belongs to.
    pub fn batch_of(&self, slice: usize) -> usize {
        slice / self.heads
    }

    /// The key and value head, counted over all sequences, that slice `slice` reads.
    pub(crate) fn kv_slice(&self, slice: usize) -> usize {
        let (batch, head) = (slice / self.heads, slice % self.heads);
        batch * self.kv_heads + head / (self.heads / self.kv_heads)
    }

    /// Where slice `slice` has its queries.
    pub fn q_range(&self, slice: usize) -> Range<usize> {
        block(slice, self.queries * self.dim)
    }

    /// Where slice `slice` has its keys.
    pub fn k_range(&self, slice: usize) -> Range<usize> {
        block(self.kv_slice(slice), self.keys * self.dim)
    }

    /// Where slice `slice` has its values.
    pub fn v_range(&self, slice: usize) -> Range<usize> {
        block(self.kv_slice(slice), self.keys * self.value_dim)
    }

    /// Where slice `slice` has its output.
    pub fn output_range(&self, slice: usize) -> Range<usize> {
        block(slice, self.queries * self.value_dim)
    }
}

fn block(index: usize, len: usize) -> Range<usize> {
    index * len..(index + 1) * len
}
