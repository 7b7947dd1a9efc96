//! Recursive k-means, 16 ways a level, down to single keys.

use std::ops::Range;

use chacha20::ChaCha8Rng;

use crate::attention::Head;
use crate::clusters::kmeans::kmeans;
use crate::clusters::metric::Metric;
use crate::clusters::tree::{Child, TOP, Tree, WHAT};
use crate::error::Result;
use crate::memory;
use crate::simd::{LANES, Panels};

/// Below this depth k-means has failed to divide (many equal keys), and halves take its place.
const DEEPEST: usize = 12;

/// Neighbouring keys, to be sorted into clusters, each of which is a stretch of `order`.
struct Points<'a> {
    head: &'a Head,
    first: usize,
    /// The keys as the metric has them, row-major `[keys, dim]`.
    data: Vec<f32>,
    /// A permutation of the rows of `data`.
    order: Vec<u32>,
}

impl Tree {
    /// Adds a root with these keys. O(keys · log keys · dim).
    pub(super) fn add_root(
        &mut self,
        head: &Head,
        keys: Range<usize>,
        metric: &Metric,
        rng: &mut ChaCha8Rng,
    ) -> Result<()> {
        let all = 0..keys.len();
        let mut points = Points::new(head, keys, metric)?;
        // Clusters whose children are still to be made, and their depth.
        let mut open = Vec::new();
        if let Child::Cluster(root) = self.adopt(TOP, &points, all.clone())? {
            open.push((root, all, 0));
        }
        while let Some((cluster, stretch, depth)) = open.pop() {
            let mut start = stretch.start;
            for len in points.divide(stretch, depth, rng) {
                let stretch = start..start + len;
                start = stretch.end;
                if let Child::Cluster(child) = self.adopt(cluster, &points, stretch.clone())? {
                    open.push((child, stretch, depth + 1));
                }
            }
        }
        Ok(())
    }

    /// Adds a key to `parent`, or a cluster of several that has no children yet.
    fn adopt(&mut self, parent: u32, points: &Points, stretch: Range<usize>) -> Result<Child> {
        let places = &points.order[stretch];
        let (centroid, half_variance) = points.moments(places);
        let child = match places {
            &[place] => Child::Key((points.first + place as usize) as u32),
            _ => {
                let cluster = self.add_cluster(places.len() as u32)?;
                points.mean_value(places, cluster, &mut self.values);
                Child::Cluster(cluster)
            }
        };
        self.add_child(parent, child, &centroid, half_variance);
        Ok(child)
    }
}

impl Points<'_> {
    fn new<'a>(head: &'a Head, keys: Range<usize>, metric: &Metric) -> Result<Points<'a>> {
        let mut data = memory::filled(WHAT, keys.len() * head.dim, 0.0f32)?;
        metric.transform(&head.k[keys.start * head.dim..keys.end * head.dim], &mut data);
        let mut order = memory::with_capacity(WHAT, keys.len())?;
        order.extend(0..keys.len() as u32);
        Ok(Points { head, first: keys.start, data, order })
    }

    /// Sorts a stretch of at least two points by cluster: the clusters' sizes, at least two of them.
    fn divide(&mut self, stretch: Range<usize>, depth: usize, rng: &mut ChaCha8Rng) -> Vec<usize> {
        let places = &mut self.order[stretch];
        let len = places.len();
        if len <= LANES {
            return vec![1; len];
        }
        let clusters = len.div_ceil(LANES).min(LANES);
        if depth < DEEPEST {
            let labels = kmeans(&self.data, places, self.head.dim, clusters, rng);
            let mut sizes = vec![0; clusters];
            labels.iter().for_each(|&label| sizes[label as usize] += 1);
            if sizes.iter().filter(|&&size| size > 0).count() > 1 {
                let mut next = vec![0; clusters];
                (1..clusters).for_each(|c| next[c] = next[c - 1] + sizes[c - 1]);
                let unsorted = places.to_vec();
                for (&place, &label) in unsorted.iter().zip(&labels) {
                    places[next[label as usize]] = place;
                    next[label as usize] += 1;
                }
                sizes.retain(|&size| size > 0);
                return sizes;
            }
        }
        (0..clusters).map(|c| (c + 1) * len / clusters - c * len / clusters).collect()
    }

    /// The centroid in the space of the keys, and half the variance of the logits, averaged over queries.
    fn moments(&self, places: &[u32]) -> (Vec<f32>, f64) {
        let dim = self.head.dim;
        let (mut centroid, mut sums, mut squares) = (vec![0.0f64; dim], vec![0.0f64; dim], 0.0);
        for &place in places {
            let place = place as usize;
            let key = &self.head.k[(self.first + place) * dim..];
            centroid.iter_mut().zip(key).for_each(|(sum, &x)| *sum += f64::from(x));
            for (sum, &x) in sums.iter_mut().zip(&self.data[place * dim..]) {
                *sum += f64::from(x);
                squares += f64::from(x).powi(2);
            }
        }
        let len = places.len() as f64;
        let of_mean: f64 = sums.iter().map(|sum| (sum / len).powi(2)).sum();
        let variance = if places.len() == 1 { 0.0 } else { (squares / len - of_mean).max(0.0) };
        (centroid.iter().map(|sum| (sum / len) as f32).collect(), variance / 2.0)
    }

    /// The mean of the values, into a row of `values`.
    fn mean_value(&self, places: &[u32], row: u32, values: &mut Panels) {
        for p in 0..values.count() {
            let mut sums = [0.0f64; LANES];
            for &place in places {
                let value = &self.head.v.panel(p)[self.first + place as usize];
                sums.iter_mut().zip(value).for_each(|(sum, &x)| *sum += f64::from(x));
            }
            values.panel_mut(p)[row as usize] = sums.map(|sum| (sum / places.len() as f64) as f32);
        }
    }
}
