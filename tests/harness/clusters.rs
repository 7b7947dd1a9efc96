//! What holds for clusters of keys, whichever the tree has made.
//!
//! The reference knows no tree. It need not: keys off the support of a row that have one weight are a cluster, and what
//! a cluster's weight must be follows from its keys and the queries alone.

use std::collections::BTreeMap;

use scatterbrain::{Features, Method, Options, Support, analysis, attention};

use super::bridge::{head, wide};
use super::data::Inputs;
use super::tolerance::{UNIT, growth};
use crate::oracle::estimator::{output_row, relative_error};
use crate::oracle::head::Head;

/// Causal: keys are closed off in blocks of this many, and the first few are always exact.
pub const BLOCK: usize = 16;
pub const SINKS: usize = 4;

/// A budget for every node of every tree is exact attention.
pub fn full_budget(inputs: &Inputs, options: &Options) -> Result<(), String> {
    // A tree whose inner nodes have at least two children has fewer than two nodes a key.
    let count = Some(4 * inputs.shape.keys);
    let clusters = Some(Support::Clusters { count });
    let run = |options: &Options| attention(inputs.q(), inputs.k(), inputs.v(), options).map_err(|e| e.to_string());
    let exact = run(&Options { method: Method::Exact, ..options.clone() })?;
    for (method, features) in [(Method::Scatterbrain, Some(Features::Landmarks { count })), (Method::Sparse, None)] {
        let output = run(&Options { method, support: clusters.clone(), features, ..options.clone() })?;
        let error = relative_error(&wide(&output.data), &wide(&exact.data));
        if error.is_nan() || error > 1e-5 {
            return Err(format!("{method}: off by {error:e}"));
        }
    }
    Ok(())
}

/// A cluster as one row has it.
struct Seen {
    row: usize,
    /// ln of the factor by which its weight exceeds that of its mean logit.
    excess: f64,
    bound: f64,
}

/// Looks at every row of landmarks, with clusters beside them or alone.
pub fn rows(inputs: &Inputs, options: &Options) -> Result<(), String> {
    let seen = analysis::decompose(inputs.q(), inputs.k(), inputs.v(), options).map_err(|e| e.to_string())?;
    let output = attention(inputs.q(), inputs.k(), inputs.v(), options).map_err(|e| e.to_string())?;
    let head = head(inputs, options, 0);
    let mut clusters: BTreeMap<(usize, Vec<usize>), Vec<Seen>> = BTreeMap::new();
    for i in 0..head.queries {
        let range = i * head.keys..(i + 1) * head.keys;
        let weights = &seen.approximation[range.clone()];
        let support = &seen.support[range.clone()];
        let ln_z = seen.log_normalizer[i];
        let fail = |what: String| Err(format!("row {i}: {what}"));

        if let Some(j) = (0..head.keys).find(|&j| !head.visible(i, j) && (weights[j] != 0.0 || support[j] != 0)) {
            return fail(format!("masked key {j} has weight {}", weights[j]));
        }
        if let Some(weight) = weights.iter().find(|&&w| w.is_nan() || w < 0.0) {
            return fail(format!("a weight of {weight}"));
        }
        let sum: f64 = weights.iter().map(|&w| f64::from(w)).sum();
        if (sum - 1.0).abs() > 1e-5 {
            return fail(format!("weights sum to {sum}"));
        }
        check_output(&head, i, weights, &output.data)?;

        let mut groups: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
        for j in (0..head.keys).filter(|&j| head.visible(i, j)) {
            let weight = f64::from(weights[j]);
            if support[j] == 0 {
                if seen.low_rank[i * head.keys + j] != weights[j] || seen.sparse[i * head.keys + j] != 0.0 {
                    return fail(format!("key {j} is off the support, and not all low rank"));
                }
                // Below this f32 runs out of digits.
                if weight > 1e-30 {
                    groups.entry(weights[j].to_bits()).or_default().push(j);
                }
                if head.causal && (j < SINKS || j >= closed(&head, i) * BLOCK) {
                    return fail(format!("key {j} is in no tree and not exact"));
                }
                continue;
            }
            let wanted = (head.logit(i, j) - ln_z).exp();
            let bound = wanted * rounding(&head, i, &[j], ln_z) + f64::from(f32::MIN_POSITIVE);
            if (weight - wanted).abs() > bound {
                return fail(format!("key {j} is exact with weight {weight:e}, not {wanted:e}"));
            }
        }
        for (bits, keys) in groups {
            if keys.len() < 2 {
                return fail(format!("key {keys:?} is alone in its cluster and not in the support"));
            }
            let mean = keys.iter().map(|&j| head.logit(i, j)).sum::<f64>() / keys.len() as f64;
            let excess = f64::from(f32::from_bits(bits)).ln() + ln_z - mean;
            let bound = rounding(&head, i, &keys, ln_z);
            clusters.entry((tree(&head, i, keys[0]), keys)).or_default().push(Seen { row: i, excess, bound });
        }
    }
    clusters.iter().try_for_each(|((queries, keys), rows)| check_cluster(&head, *queries, keys, rows))
}

/// Rounding of `ln weight + ln Z` of keys that share one logit, and of their weight.
fn rounding(head: &Head, i: usize, keys: &[usize], ln_z: f64) -> f64 {
    let magnitude = |j: usize| head.query(i).iter().zip(head.key(j)).map(|(x, y)| (x * y).abs()).sum::<f64>();
    let product = head.b * keys.iter().map(|&j| magnitude(j)).sum::<f64>() / keys.len() as f64;
    // The logit and its sum with the logarithm of the number of keys are rounded, and so is the weight.
    let argument = (head.logit(i, keys[0]) - ln_z).abs() + 2.0 * product + (keys.len() as f64).ln();
    UNIT * ((growth(head.dim) + 4.0) * product + 2.0 * argument + 6.0)
}

/// The output is the matrix times the values, and lies among them.
fn check_output(head: &Head, i: usize, weights: &[f32], output: &[f32]) -> Result<(), String> {
    let row = &output[i * head.value_dim..(i + 1) * head.value_dim];
    let wanted = output_row(head, &wide(weights));
    for (c, (&got, wanted)) in row.iter().zip(wanted).enumerate() {
        let got = f64::from(got);
        let values = || (0..head.keys).filter(|&j| head.visible(i, j)).map(|j| head.value(j)[c]);
        let size: f64 = values().fold(0.0, |size, v| size.max(v.abs()));
        // A term of weight w is rounded where its exponent, ln w, is, and where it is added.
        let term = |w: f64| if w > 0.0 { w * (w.ln().abs() + growth(head.keys) + 16.0) } else { 0.0 };
        let slack = 2.0 * UNIT * size * weights.iter().map(|&w| term(f64::from(w))).sum::<f64>();
        if (got - wanted).abs() > slack {
            return Err(format!("output [{i}, {c}] is {got}, the matrix times the values {wanted}"));
        }
        let (low, high) = values().fold((f64::MAX, f64::MIN), |(low, high), v| (low.min(v), high.max(v)));
        if got < low - slack || got > high + slack {
            return Err(format!("output [{i}, {c}] is {got}, not in {low}..{high}"));
        }
    }
    Ok(())
}

/// A weight is `exp(mean logit) (1 + v / 2)` with one v for all rows: the variance of the cluster's logits, averaged over
/// the `queries` first queries.
fn check_cluster(head: &Head, queries: usize, keys: &[usize], rows: &[Seen]) -> Result<(), String> {
    let variance = |i: usize| {
        let logits: Vec<f64> = keys.iter().map(|&j| head.logit(i, j)).collect();
        let mean = logits.iter().sum::<f64>() / keys.len() as f64;
        logits.iter().map(|s| (s - mean).powi(2)).sum::<f64>() / keys.len() as f64
    };
    let wanted = ((0..queries).map(variance).sum::<f64>() / queries as f64 / 2.0).ln_1p();
    let first = &rows[0];
    for seen in rows {
        let Seen { row, excess, bound } = *seen;
        if excess < -bound {
            return Err(format!("row {row}: cluster {keys:?} has less than its mean logit's weight: {excess:e}"));
        }
        if (excess - first.excess).abs() > bound + first.bound {
            return Err(format!("cluster {keys:?}: {} in row {}, {excess} in row {row}", first.excess, first.row));
        }
        // So that no direction counts for nothing, the metric adds 1e-6 of its trace.
        if (excess - wanted).abs() > bound + 1e-4 * wanted + 1e-6 {
            return Err(format!("row {row}: cluster {keys:?} of {queries} queries: {excess}, not {wanted}"));
        }
    }
    Ok(())
}

/// Blocks of keys closed before query i.
fn closed(head: &Head, i: usize) -> usize {
    (i / BLOCK).min(head.key_length / BLOCK)
}

/// Blocks of the roots after so many are closed, as the documentation has it: equal ones merge, and all do when those
/// after the first come to half of it.
fn roots(closed: usize) -> Vec<usize> {
    let mut roots: Vec<usize> = Vec::new();
    for blocks in 1..=closed {
        roots.push(1);
        if 2 * (blocks - roots[0]) >= roots[0] {
            roots = vec![blocks];
        }
        while roots.len() > 1 && roots[roots.len() - 1] == roots[roots.len() - 2] {
            let last = roots.pop().unwrap();
            *roots.last_mut().unwrap() += last;
        }
    }
    roots
}

/// The queries by whose metric the root that holds `key` was made, which tells the roots of a row apart.
fn tree(head: &Head, i: usize, key: usize) -> usize {
    if !head.causal {
        return head.queries;
    }
    let mut end = 0;
    for blocks in roots(closed(head, i)) {
        end += blocks;
        if key < end * BLOCK {
            return end * BLOCK;
        }
    }
    panic!("key {key} is under no root of row {i}");
}

/// The most that row i may judge: its budget, but the keys in no tree and the roots in any case.
pub fn limit(queries_seen: usize, keys: usize, causal: bool, budget: usize) -> usize {
    if !causal {
        return budget.max(1);
    }
    let closed = (queries_seen / BLOCK).min(keys / BLOCK);
    let visible = keys.min(queries_seen + 1);
    let direct = visible.min(SINKS) + visible.saturating_sub((closed * BLOCK).max(SINKS));
    budget.max(direct + roots(closed).len())
}
