//! Recursive k-means, up to 16 ways a level, down to single keys.
//!
//! A query judges the children of a cluster together, in the time of 16 of them, so that clusters are wanted full. k-means
//! makes parts of all sizes: it is asked for parts of five eighths of what a child can hold, and parts that came out larger
//! are divided again, for as long as the cluster has room for another child.

use std::ops::Range;

use chacha20::ChaCha8Rng;

use crate::attention::Head;
use crate::clusters::kmeans::kmeans;
use crate::clusters::metric::Metric;
use crate::clusters::tree::{TOP, Tree, WHAT};
use crate::error::Result;
use crate::memory;
use crate::simd::LANES;

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

/// What a cluster needs to know of a child.
struct Summary {
    centroid: Vec<f32>,
    /// The centroid as the metric has it.
    point: Vec<f32>,
    /// Sum over keys of their squared distance from it.
    scatter: f64,
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
        if keys.len() == 1 {
            self.add_key(TOP, keys.start as u32, head.key(keys.start));
            return Ok(());
        }
        let mut points = Points::new(head, keys, metric)?;
        let all = 0..points.order.len();
        self.add_part(TOP, &mut points, all, 0, rng)?;
        Ok(())
    }

    /// Adds a stretch of two keys or more to `parent`, as a cluster of its own.
    fn add_part(
        &mut self,
        parent: u32,
        points: &mut Points,
        stretch: Range<usize>,
        depth: usize,
        rng: &mut ChaCha8Rng,
    ) -> Result<Summary> {
        let len = stretch.len();
        let cluster = self.add_cluster(len as u32)?;
        let mut sums = Sums::new(points.head);
        let parts = points.divide(stretch, depth, rng);
        for part in parts.iter().filter(|part| part.len() == 1) {
            let place = points.order[part.start] as usize;
            let key = points.first + place;
            self.add_key(cluster, key as u32, points.head.key(key));
            sums.add(1.0, points.head.key(key), points.point(place), 0.0);
        }
        for part in parts.iter().filter(|part| part.len() > 1) {
            let child = self.add_part(cluster, points, part.clone(), depth + 1, rng)?;
            sums.add(part.len() as f64, &child.centroid, &child.point, child.scatter);
        }
        let summary = sums.summary(len as f64);
        self.add_child_cluster(parent, cluster, &summary.centroid, summary.scatter / len as f64 / 2.0);
        Ok(summary)
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

    fn point(&self, place: usize) -> &[f32] {
        &self.data[place * self.head.dim..][..self.head.dim]
    }

    /// Divides a stretch of at least two points into the children of a cluster, at least two of them.
    fn divide(&mut self, stretch: Range<usize>, depth: usize, rng: &mut ChaCha8Rng) -> Vec<Range<usize>> {
        if stretch.len() <= LANES {
            return stretch.map(|place| place..place + 1).collect();
        }
        let (wanted, most) = child_size(stretch.len());
        let clusters = stretch.len().div_ceil(wanted);
        let mut open = self.split(stretch, clusters, depth, rng);
        let mut parts = Vec::new();
        while let Some(part) = open.pop() {
            let pieces = part.len().div_ceil(wanted);
            if part.len() > most && parts.len() + open.len() + pieces <= LANES {
                open.extend(self.split(part, pieces, depth, rng));
            } else {
                parts.push(part);
            }
        }
        parts
    }

    /// Sorts a stretch by cluster, of which there are up to `clusters` and at least two.
    fn split(
        &mut self,
        stretch: Range<usize>,
        clusters: usize,
        depth: usize,
        rng: &mut ChaCha8Rng,
    ) -> Vec<Range<usize>> {
        let (start, len) = (stretch.start, stretch.len());
        let places = &mut self.order[stretch];
        let mut ends = vec![0; clusters];
        if depth < DEEPEST {
            let labels = kmeans(&self.data, places, self.head.dim, clusters, rng);
            labels.iter().for_each(|&label| ends[label as usize] += 1);
            if ends.iter().all(|&size| size < len) {
                let mut next = 0;
                for end in &mut ends {
                    next += std::mem::replace(end, next);
                }
                let unsorted = places.to_vec();
                for (&place, &label) in unsorted.iter().zip(&labels) {
                    places[ends[label as usize]] = place;
                    ends[label as usize] += 1;
                }
                return stretches(start, &ends);
            }
        }
        (1..=clusters).zip(&mut ends).for_each(|(c, end)| *end = c * len / clusters);
        stretches(start, &ends)
    }
}

/// Those that end `ends` after `start`, without the empty ones.
fn stretches(start: usize, ends: &[usize]) -> Vec<Range<usize>> {
    let starts = std::iter::once(0).chain(ends.iter().copied());
    starts.zip(ends).filter(|&(from, &to)| from < to).map(|(from, &to)| start + from..start + to).collect()
}

/// How many keys a child of a cluster of `len` should hold, and how many it can without a level more.
fn child_size(len: usize) -> (usize, usize) {
    let mut most = LANES;
    loop {
        let wanted = most * 5 / 8;
        if len <= LANES * wanted {
            return (wanted, most);
        }
        most = LANES * wanted;
    }
}

/// Sums over the children of a cluster, from which its summary follows.
struct Sums {
    centroid: Vec<f64>,
    point: Vec<f64>,
    squares: f64,
}

impl Sums {
    fn new(head: &Head) -> Sums {
        Sums { centroid: vec![0.0; head.dim], point: vec![0.0; head.dim], squares: 0.0 }
    }

    fn add(&mut self, len: f64, centroid: &[f32], point: &[f32], scatter: f64) {
        self.squares += scatter;
        for (((sum, &x), point_sum), &y) in self.centroid.iter_mut().zip(centroid).zip(&mut self.point).zip(point) {
            *sum += len * f64::from(x);
            let weighted = len * f64::from(y);
            *point_sum += weighted;
            self.squares += weighted * f64::from(y);
        }
    }

    fn summary(&self, len: f64) -> Summary {
        let squares_of_mean: f64 = self.point.iter().map(|sum| sum * sum / len).sum();
        Summary {
            centroid: self.centroid.iter().map(|sum| (sum / len) as f32).collect(),
            point: self.point.iter().map(|sum| (sum / len) as f32).collect(),
            scatter: (self.squares - squares_of_mean).max(0.0),
        }
    }
}
