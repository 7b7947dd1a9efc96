//! Flat clusters of keys for the baselines, plainly and in f64.

use crate::head::Head;

const ROUNDS: usize = 6;

/// Keys by cluster: Lloyd's algorithm on distances as queries see them, `mean over queries of (q·(k - k'))²`.
pub struct Clusters {
    /// Cluster of each key.
    pub labels: Vec<usize>,
    /// Half the variance of the logits of each cluster's keys, averaged over queries.
    pub half_variances: Vec<f64>,
}

impl Clusters {
    pub fn new(head: &Head, count: usize) -> Clusters {
        let (dim, count) = (head.dim, count.max(1));
        let points = points(head);
        let first = |c: usize| points[c * head.tokens / count * dim..][..dim].to_vec();
        let mut centroids: Vec<Vec<f64>> = (0..count).map(first).collect();
        let mut labels = vec![0; head.tokens];
        for _ in 0..ROUNDS {
            for (label, point) in labels.iter_mut().zip(points.chunks_exact(dim)) {
                let distance = |c: usize| squared_distance(point, &centroids[c]);
                let distances: Vec<f64> = (0..count).map(distance).collect();
                *label = (0..count).min_by(|&a, &b| distances[a].total_cmp(&distances[b])).unwrap_or(0);
            }
            let mut sizes = vec![0.0; count];
            centroids.iter_mut().for_each(|centroid| centroid.fill(0.0));
            for (&label, point) in labels.iter().zip(points.chunks_exact(dim)) {
                sizes[label] += 1.0;
                centroids[label].iter_mut().zip(point).for_each(|(sum, x)| *sum += x);
            }
            for (centroid, size) in centroids.iter_mut().zip(sizes) {
                centroid.iter_mut().for_each(|x| *x /= f64::max(size, 1.0));
            }
        }
        let (mut half_variances, mut sizes) = (vec![0.0; count], vec![0.0; count]);
        for (&label, point) in labels.iter().zip(points.chunks_exact(dim)) {
            half_variances[label] += squared_distance(point, &centroids[label]) / 2.0;
            sizes[label] += 1.0;
        }
        half_variances.iter_mut().zip(sizes).for_each(|(sum, size)| *sum /= f64::max(size, 1.0));
        Clusters { labels, half_variances }
    }

    pub fn count(&self) -> usize {
        self.half_variances.len()
    }

    /// The logit of the centroid of each cluster's keys that the row sees; 0 where it sees none.
    pub fn mean_logits(&self, logits: &[f64]) -> Vec<f64> {
        let mut sums = vec![(0.0, 0.0); self.count()];
        for (&logit, &label) in logits.iter().zip(&self.labels) {
            sums[label].0 += logit;
            sums[label].1 += 1.0;
        }
        sums.into_iter().map(|(sum, size)| sum / f64::max(size, 1.0)).collect()
    }
}

/// Lᵀk for every key, L Lᵀ being the second moment of the scaled queries: distances between these are those of logits.
fn points(head: &Head) -> Vec<f64> {
    let dim = head.dim;
    let mut lower = vec![0.0; dim * dim];
    for query in head.q.chunks_exact(dim) {
        for i in 0..dim {
            for j in 0..=i {
                let product = f64::from(query[i]) * f64::from(query[j]);
                lower[i * dim + j] += product * head.scale.powi(2) / head.tokens as f64;
            }
        }
    }
    for j in 0..dim {
        for i in j..dim {
            let rest = lower[i * dim + j] - (0..j).map(|k| lower[i * dim + k] * lower[j * dim + k]).sum::<f64>();
            lower[i * dim + j] = if i == j { rest.max(1e-12).sqrt() } else { rest / lower[j * dim + j] };
        }
    }
    let mut points = vec![0.0; head.tokens * dim];
    for (key, point) in head.k.chunks_exact(dim).zip(points.chunks_exact_mut(dim)) {
        for (i, &x) in key.iter().enumerate() {
            let row = &lower[i * dim..=i * dim + i];
            point.iter_mut().zip(row).for_each(|(sum, l)| *sum += l * f64::from(x));
        }
    }
    points
}

fn squared_distance(a: &[f64], b: &[f64]) -> f64 {
    // Four sums, which the processor can add to at the same time.
    let mut sums = [0.0; 4];
    for (a, b) in a.chunks(4).zip(b.chunks(4)) {
        sums.iter_mut().zip(a.iter().zip(b)).for_each(|(sum, (a, b))| *sum += (a - b).powi(2));
    }
    sums.iter().sum()
}
