//! Lloyd's algorithm for up to 16 clusters: all distances of 16 points are one tile.

use chacha20::ChaCha8Rng;
use chacha20::rand_core::Rng;

use crate::simd::{LANES, Lanes, product};

/// More do not lower the error of the attention.
const ROUNDS: usize = 4;

/// The cluster, below `clusters` <= 16, of each point; `points` is row-major `[_, dim]`, with `indices`
/// saying which of them to cluster. Clusters may come out empty, or as one.
pub(super) fn kmeans(points: &[f32], indices: &[u32], dim: usize, clusters: usize, rng: &mut ChaCha8Rng) -> Vec<u8> {
    let point = |index: u32| &points[index as usize * dim..(index as usize + 1) * dim];
    let mut centroids = vec![0.0f64; clusters * dim];
    for (c, chosen) in distinct(indices.len(), clusters, rng).into_iter().enumerate() {
        let centroid = &mut centroids[c * dim..(c + 1) * dim];
        centroid.iter_mut().zip(point(indices[chosen])).for_each(|(out, &x)| *out = f64::from(x));
    }
    let mut labels = vec![0u8; indices.len()];
    let mut columns = vec![[0.0; LANES]; dim];
    for round in 0..=ROUNDS {
        let (panel, half_squares) = panel_of(&centroids, dim);
        for (indices, labels) in indices.chunks(LANES).zip(labels.chunks_mut(LANES)) {
            for (lane, &index) in indices.iter().enumerate() {
                columns.iter_mut().zip(point(index)).for_each(|(column, &x)| column[lane] = x);
            }
            let mut tile = [[0.0; LANES]; LANES];
            product(&columns, &panel, &mut tile, false);
            for (label, dots) in labels.iter_mut().zip(&tile) {
                // |x - c|² is smallest where x·c - |c|²/2 is largest.
                let gain = |c: usize| dots[c] - half_squares[c];
                *label = (1..clusters).fold(0, |best, c| if gain(c) > gain(best) { c } else { best }) as u8;
            }
        }
        if round < ROUNDS {
            centroids.fill(0.0);
            let mut counts = [0usize; LANES];
            for (&index, &label) in indices.iter().zip(&labels) {
                counts[label as usize] += 1;
                let sum = &mut centroids[label as usize * dim..(label as usize + 1) * dim];
                sum.iter_mut().zip(point(index)).for_each(|(sum, &x)| *sum += f64::from(x));
            }
            for (centroid, &count) in centroids.chunks_exact_mut(dim).zip(&counts) {
                centroid.iter_mut().for_each(|x| *x /= count.max(1) as f64);
            }
        }
    }
    labels
}

fn panel_of(centroids: &[f64], dim: usize) -> (Vec<Lanes>, Lanes) {
    let mut panel = vec![[0.0; LANES]; dim];
    let mut half_squares = [0.0; LANES];
    for (c, centroid) in centroids.chunks_exact(dim).enumerate() {
        panel.iter_mut().zip(centroid).for_each(|(row, &x)| row[c] = x as f32);
        half_squares[c] = (centroid.iter().map(|x| x * x).sum::<f64>() / 2.0) as f32;
    }
    (panel, half_squares)
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
