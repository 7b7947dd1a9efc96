//! Lloyd's algorithm for up to 16 clusters: all distances of 16 points are one tile.

use chacha20::ChaCha8Rng;
use chacha20::rand_core::Rng;

use crate::simd::{LANES, Lanes, add_row, gather_columns, largest_row, product};

/// More do not lower the error of the attention.
const ROUNDS: usize = 4;

/// Points that the centroids are made of, for each of them: a spread-out choice where there are more.
pub(super) const SAMPLE: usize = 128;

/// The cluster, below `clusters` <= 16, of each point; `points` is row-major `[_, dim]`, with `indices`
/// saying which of them to cluster. Clusters may come out empty, or as one.
pub(super) fn kmeans(points: &[f32], indices: &[u32], dim: usize, clusters: usize, rng: &mut ChaCha8Rng) -> Vec<u8> {
    let point = |index: u32| &points[index as usize * dim..(index as usize + 1) * dim];
    let size = indices.len().min(SAMPLE * clusters);
    let sample: Vec<u32> = (0..size).map(|i| indices[i * indices.len() / size]).collect();
    let mut columns = vec![[0.0; LANES]; size.div_ceil(LANES) * dim];
    for (sample, columns) in sample.chunks(LANES).zip(columns.chunks_exact_mut(dim)) {
        gather_columns(points, sample, columns);
    }
    let mut centroids = vec![0.0f32; clusters * dim];
    for (c, chosen) in distinct(size, clusters, rng).into_iter().enumerate() {
        centroids[c * dim..(c + 1) * dim].copy_from_slice(point(sample[chosen]));
    }
    for _ in 0..ROUNDS {
        let nearest = Nearest::new(&centroids, dim);
        centroids.fill(0.0);
        let mut counts = [0; LANES];
        for (sample, columns) in sample.chunks(LANES).zip(columns.chunks_exact(dim)) {
            for (&index, label) in sample.iter().zip(nearest.labels(columns)) {
                counts[label as usize] += 1;
                add_row(point(index), &mut centroids[label as usize * dim..(label as usize + 1) * dim]);
            }
        }
        for (centroid, &count) in centroids.chunks_exact_mut(dim).zip(&counts) {
            let scale = 1.0 / count.max(1) as f32;
            centroid.iter_mut().for_each(|x| *x *= scale);
        }
    }
    let nearest = Nearest::new(&centroids, dim);
    let mut labels = vec![0; indices.len()];
    for (place, (some, labels)) in indices.chunks(LANES).zip(labels.chunks_mut(LANES)).enumerate() {
        // All points, if that is what the sample is; else the first panel is free to be overwritten.
        let place = if size == indices.len() { place } else { 0 };
        let columns = &mut columns[place * dim..(place + 1) * dim];
        if size < indices.len() {
            gather_columns(points, some, columns);
        }
        labels.copy_from_slice(&nearest.labels(columns)[..some.len()]);
    }
    labels
}

/// Which centroid is nearest.
struct Nearest {
    count: usize,
    /// `[dim, 16]`.
    centroids: Vec<Lanes>,
    /// |c|² / 2 of each.
    half_squares: Lanes,
}

impl Nearest {
    fn new(centroids: &[f32], dim: usize) -> Nearest {
        let count = centroids.len() / dim;
        let mut nearest = Nearest { count, centroids: vec![[0.0; LANES]; dim], half_squares: [0.0; LANES] };
        for (c, centroid) in centroids.chunks_exact(dim).enumerate() {
            nearest.centroids.iter_mut().zip(centroid).for_each(|(row, &x)| row[c] = x);
            nearest.half_squares[c] = (centroid.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / 2.0) as f32;
        }
        nearest
    }

    /// Of the points that are the columns of a panel.
    fn labels(&self, columns: &[Lanes]) -> [u8; LANES] {
        let mut tile = [[0.0; LANES]; LANES];
        product(&self.centroids, columns, &mut tile, false);
        // |x - c|² is smallest where x·c - |c|²/2 is largest.
        largest_row(&tile[..self.count], &self.half_squares)
    }
}

/// `count` different numbers below `len` (Floyd's algorithm).
fn distinct(len: usize, count: usize, rng: &mut ChaCha8Rng) -> Vec<usize> {
    let mut chosen = Vec::with_capacity(count);
    for top in len - count..len {
        let drawn = ((u64::from(rng.next_u32()) * (top as u64 + 1)) >> 32) as usize;
        chosen.push(if chosen.contains(&drawn) { top } else { drawn });
    }
    chosen
}
