//! Singular value thresholding, cut into pieces that do not hold a thread for long.
//!
//! With W = U Σ Vᵀ the result is U (Σ - τ)₊ Vᵀ: what the nuclear norm's proximal map gives (Cai, Candès and Shen 2010). V
//! comes from the eigenvectors of the smaller Gram matrix, WᵀW, and the rest from W V, which keeps the accuracy: the
//! squares cost digits only in directions so small that thresholding removes them, and σ = |W v| is exact to second order
//! in what is left. On an attention matrix of 1,025 tokens the low-rank part in the end differs by 5·10⁻¹⁰ from
//! that of full singular value decompositions. The library's takes longer than all of this, and cannot be cut.
//!
//! A partial decomposition by subspace iteration was considered. It pays while few singular values exceed τ, but those of
//! attention matrices have no gap, and most iterations keep some hundreds of them.

use faer::dyn_stack::{MemBuffer, MemStack, StackReq};
use faer::linalg::evd::tridiag::tridiag_in_place;
use faer::linalg::evd::{ComputeEigenvectors, self_adjoint_evd_scratch, tridiagonal_self_adjoint_evd};
use faer::linalg::householder::{
    apply_block_householder_sequence_on_the_left_in_place_scratch as reflections_scratch,
    apply_block_householder_sequence_on_the_left_in_place_with_conj as apply_reflections,
};
use faer::linalg::matmul::matmul;
use faer::linalg::qr::no_pivoting::factor::recommended_block_size;
use faer::{Accum, ColMut, ColRef, Conj, MatMut, MatRef, Par};

use crate::error::{Error, Result};
use crate::memory::filled;

/// Floating-point operations of one piece of a product: some 50 ms.
const PIECE: usize = 1 << 29;

/// What the library's products may take for themselves, and would abort without.
const HEADROOM: usize = 16 << 20;

/// Thresholds matrices `[long, short]`, column-major, `long >= short`. All memory is taken at the start.
pub(super) struct Thresholding {
    long: usize,
    short: usize,
    stage: Stage,
    /// WᵀW, of which the lower half counts; then the reflections that make it tridiagonal.
    gram: Vec<f64>,
    /// Factors of the reflections, in blocks.
    factors: Vec<f64>,
    block: usize,
    diagonal: Vec<f64>,
    subdiagonal: Vec<f64>,
    /// Ascending.
    eigenvalues: Vec<f64>,
    /// `[short, short]`, one column per eigenvalue.
    vectors: Vec<f64>,
    /// The first eigenvector that may belong to a singular value above the threshold.
    kept: usize,
    /// W V of the kept vectors; then U (Σ - τ)₊.
    projected: Vec<f64>,
    /// Singular values less the threshold where that is positive, ascending.
    singular_values: Vec<f64>,
    scratch: MemBuffer,
}

/// What is done next, and for the pieces of a product from which column on.
#[derive(Clone, Copy)]
enum Stage {
    Gram(usize),
    Tridiagonal,
    Eigenvalues,
    Vectors(usize),
    Project(usize),
    Combine(usize),
    Done,
}

impl Thresholding {
    pub fn new(long: usize, short: usize) -> Result<Thresholding> {
        let (block, what) = (block_size(short), "an eigenvalue decomposition");
        let scratch = scratch(short);
        let thresholding = Thresholding {
            long,
            short,
            stage: Stage::Gram(0),
            gram: filled(what, short * short, 0.0)?,
            factors: filled(what, block * (short - 1), 0.0)?,
            block,
            diagonal: filled(what, short, 0.0)?,
            subdiagonal: filled(what, short, 0.0)?,
            eigenvalues: filled(what, short, 0.0)?,
            vectors: filled(what, short * short, 0.0)?,
            kept: 0,
            projected: filled(what, long * short, 0.0)?,
            singular_values: filled(what, short, 0.0)?,
            scratch: MemBuffer::try_new(scratch)
                .map_err(|_| Error::OutOfMemory { what, bytes: scratch.size_bytes() as u64 })?,
        };
        drop(filled("work space of matrix products", HEADROOM, 0u8)?);
        Ok(thresholding)
    }

    /// Bytes that `new` takes, and the list of singular values.
    pub fn bytes(long: usize, short: usize) -> u64 {
        let floats = 2 * short * short + long * short + block_size(short) * (short - 1) + 5 * short;
        (floats * size_of::<f64>() + scratch(short).size_bytes() + HEADROOM) as u64
    }

    /// Does one piece of the work on `w`, which must be the same until it is done; whether it is. `out` is valid then. An
    /// infinite threshold leaves nothing, and takes less time to find the largest singular value.
    pub fn step(&mut self, w: &[f64], threshold: f64, out: &mut [f64]) -> Result<bool> {
        let (long, short) = (self.long, self.short);
        let w = MatRef::from_column_major_slice(w, long, short);
        self.stage = match self.stage {
            Stage::Done => Stage::Gram(0),
            Stage::Gram(from) => {
                let to = piece(from, short, 2 * long * (short - from));
                let gram = MatMut::from_column_major_slice_mut(&mut self.gram, short, short);
                let right = w.subcols(from, to - from);
                let block = gram.submatrix_mut(from, from, short - from, to - from);
                matmul(block, Accum::Replace, w.subcols(from, short - from).transpose(), right, 1.0, Par::Seq);
                if to < short { Stage::Gram(to) } else { Stage::Tridiagonal }
            }
            Stage::Tridiagonal => {
                self.make_tridiagonal();
                Stage::Eigenvalues
            }
            Stage::Eigenvalues => {
                self.decompose_tridiagonal(threshold.is_finite())?;
                self.kept = self.first_above(threshold);
                Stage::Vectors(self.kept)
            }
            Stage::Vectors(from) if from < short => {
                let to = piece(from, short, 2 * short * short);
                self.transform_vectors(from, to);
                Stage::Vectors(to)
            }
            Stage::Vectors(_) => Stage::Project(self.kept),
            Stage::Project(from) if from < short => {
                let to = piece(from, short, 2 * long * short);
                let vectors = MatRef::from_column_major_slice(&self.vectors, short, short).subcols(from, to - from);
                let columns = &mut self.projected[from * long..to * long];
                let projected = MatMut::from_column_major_slice_mut(columns, long, to - from);
                matmul(projected, Accum::Replace, w, vectors, 1.0, Par::Seq);
                Stage::Project(to)
            }
            Stage::Project(_) => {
                self.shrink(threshold);
                Stage::Combine(0)
            }
            Stage::Combine(from) => {
                let to = piece(from, short, 2 * long * (short - self.kept).max(1));
                self.combine(from, to, &mut out[from * long..to * long]);
                if to < short { Stage::Combine(to) } else { Stage::Done }
            }
        };
        Ok(matches!(self.stage, Stage::Done))
    }

    /// The largest singular value of the matrix that was worked on.
    pub fn norm(&self) -> f64 {
        self.eigenvalues.last().map_or(0.0, |&largest| largest.max(0.0).sqrt())
    }

    /// How many singular values were above the threshold.
    pub fn rank(&self) -> usize {
        self.singular_values.iter().filter(|&&x| x > 0.0).count()
    }

    /// Those of the result, descending, without zeros.
    pub fn singular_values(&self) -> impl Iterator<Item = f64> {
        self.singular_values.iter().copied().rev().filter(|&x| x > 0.0)
    }

    fn make_tridiagonal(&mut self) {
        let short = self.short;
        let mut gram = MatMut::from_column_major_slice_mut(&mut self.gram, short, short);
        let factors = MatMut::from_column_major_slice_mut(&mut self.factors, self.block, short - 1);
        tridiag_in_place(gram.as_mut(), factors, Par::Seq, MemStack::new(&mut self.scratch), Default::default());
        for i in 0..short {
            self.diagonal[i] = gram[(i, i)];
            self.subdiagonal[i] = if i + 1 < short { gram[(i + 1, i)] } else { 0.0 };
        }
    }

    fn decompose_tridiagonal(&mut self, with_vectors: bool) -> Result<()> {
        let vectors = MatMut::from_column_major_slice_mut(&mut self.vectors, self.short, self.short);
        tridiagonal_self_adjoint_evd(
            ColRef::from_slice(&self.diagonal).as_diagonal(),
            ColRef::from_slice(&self.subdiagonal).as_diagonal(),
            ColMut::from_slice_mut(&mut self.eigenvalues).as_diagonal_mut(),
            with_vectors.then_some(vectors),
            Par::Seq,
            MemStack::new(&mut self.scratch),
            Default::default(),
        )
        .map_err(|_| Error::unsupported("this matrix", "the search for its eigenvalues did not converge"))
    }

    /// The first eigenvalue that, give or take the rounding of all of them, may be above the square of `threshold`.
    fn first_above(&self, threshold: f64) -> usize {
        let rounding = self.short as f64 * f64::EPSILON * self.eigenvalues[self.short - 1];
        self.eigenvalues.partition_point(|&x| x + rounding <= threshold * threshold)
    }

    /// Turns eigenvectors of the tridiagonal matrix into those of the Gram matrix.
    fn transform_vectors(&mut self, from: usize, to: usize) {
        let short = self.short;
        let columns = &mut self.vectors[from * short..to * short];
        apply_reflections(
            MatRef::from_column_major_slice(&self.gram, short, short).submatrix(1, 0, short - 1, short - 1),
            MatRef::from_column_major_slice(&self.factors, self.block, short - 1),
            Conj::No,
            MatMut::from_column_major_slice_mut(columns, short, to - from).subrows_mut(1, short - 1),
            Par::Seq,
            MemStack::new(&mut self.scratch),
        );
    }

    /// From W v = σ u to (σ - τ)₊ u.
    fn shrink(&mut self, threshold: f64) {
        self.singular_values.fill(0.0);
        let kept = self.projected.chunks_exact_mut(self.long).zip(&mut self.singular_values).skip(self.kept);
        for (column, singular_value) in kept {
            let sigma = column.iter().map(|x| x * x).sum::<f64>().sqrt();
            *singular_value = (sigma - threshold).max(0.0);
            let factor = if sigma > threshold { *singular_value / sigma } else { 0.0 };
            column.iter_mut().for_each(|x| *x *= factor);
        }
    }

    /// Columns `from..to` of U (Σ - τ)₊ Vᵀ.
    fn combine(&self, from: usize, to: usize, out: &mut [f64]) {
        let (long, short, kept) = (self.long, self.short, self.kept);
        if kept == short {
            out.fill(0.0);
            return;
        }
        let left = MatRef::from_column_major_slice(&self.projected, long, short).subcols(kept, short - kept);
        let vectors = MatRef::from_column_major_slice(&self.vectors, short, short);
        let right = vectors.submatrix(from, kept, to - from, short - kept).transpose();
        let out = MatMut::from_column_major_slice_mut(out, long, to - from);
        matmul(out, Accum::Replace, left, right, 1.0, Par::Seq);
    }
}

/// The end of the next piece of a product with so many columns and so many operations for each.
fn piece(from: usize, columns: usize, operations: usize) -> usize {
    columns.min(from + (PIECE / operations.max(1)).max(1))
}

fn block_size(short: usize) -> usize {
    recommended_block_size::<f64>(short, short)
}

fn scratch(short: usize) -> StackReq {
    StackReq::any_of(&[
        self_adjoint_evd_scratch::<f64>(short, ComputeEigenvectors::Yes, Par::Seq, Default::default()),
        reflections_scratch::<f64>(short, block_size(short), short),
    ])
}
