//! Runs a call and holds its result against the reference, entry by entry.

use scatterbrain::{Options, analysis, attention};

use super::bridge;
use super::data::Inputs;
use super::tolerance::{Rounding, RowBounds};
use crate::oracle::estimator::{Row, estimate_row, output_row, scatterbrain_row};
use crate::oracle::head::Head;
use crate::oracle::kernel::Kernel;
use crate::oracle::supports::Mask;

/// The reference for one head of a call.
pub struct Reference {
    pub head: Head,
    pub mask: Mask,
    pub kernel: Option<Kernel>,
    map: Option<crate::oracle::kernel::Map>,
}

/// Row i of the reference, and how far f32 may be from it.
pub struct ReferenceRow {
    pub row: Row,
    pub probabilities: Vec<f64>,
    pub bounds: RowBounds,
    /// Whether the estimate had no positive mass.
    pub fell_back: bool,
}

impl Reference {
    pub fn new(inputs: &Inputs, options: &Options, slice: usize) -> Reference {
        Reference::with_mask(inputs, options, slice, bridge::mask(inputs, options, slice))
    }

    pub fn with_mask(inputs: &Inputs, options: &Options, slice: usize, mask: Mask) -> Reference {
        let head = bridge::head(inputs, options, slice);
        let map = bridge::map(head.dim, options, slice);
        let kernel = map.as_ref().map(|map| Kernel::new(&head, map));
        Reference { head, mask, kernel, map }
    }

    pub fn rounding(&self) -> Rounding<'_> {
        Rounding::new(&self.head, self.map.as_ref())
    }

    pub fn row(&self, rounding: &Rounding, i: usize) -> ReferenceRow {
        let estimate = estimate_row(&self.head, &self.mask, self.kernel.as_ref(), i);
        let row = scatterbrain_row(&self.head, &self.mask, self.kernel.as_ref(), i);
        let bounds = rounding.row(i, &estimate, &self.mask, self.kernel.as_ref());
        let fell_back = estimate.mass() <= 0.0 && row.mass() > 0.0;
        ReferenceRow { probabilities: row.normalised(), row, bounds, fell_back }
    }
}

/// What a comparison came across.
#[derive(Default, Debug, Clone, Copy)]
pub struct Tally {
    pub rows: usize,
    /// Rows whose bounds say nothing because their mass is lost in rounding; only asked to be finite.
    pub undecided: usize,
    pub fell_back: usize,
    /// The largest error as a share of its bound.
    pub closest: f64,
}

impl Tally {
    pub fn add(&mut self, other: Tally) {
        self.rows += other.rows;
        self.undecided += other.undecided;
        self.fell_back += other.fell_back;
        self.closest = self.closest.max(other.closest);
    }

    fn compare(&mut self, what: &str, at: [usize; 2], got: f64, wanted: f64, bound: f64) -> Result<(), String> {
        let error = (got - wanted).abs();
        if error.is_nan() || error > bound {
            return Err(format!("{what} {at:?} is {got:e}, the reference says {wanted:e}: {error:.1e} > {bound:.1e}"));
        }
        self.closest = self.closest.max(error / bound);
        Ok(())
    }
}

/// The first thing that was not as it should be.
pub type Outcome = Result<Tally, String>;

/// Every output of the call equals the reference's within the rounding bounds.
pub fn outputs(inputs: &Inputs, options: &Options) -> Outcome {
    let output = attention(inputs.q(), inputs.k(), inputs.v(), options).map_err(|e| e.to_string())?;
    let shape = inputs.shape;
    assert_eq!(output.shape, [shape.batch, shape.heads, shape.queries, shape.value_dim]);
    outputs_within(&output.data, inputs, options, 0.0)
}

/// Every element of an output that is at hand equals the reference's, within the rounding bounds and `slack` times the sum of the
/// magnitudes that it is summed from, Σ_j |p_ij v_jc|.
pub fn outputs_within(output: &[f32], inputs: &Inputs, options: &Options, slack: f64) -> Outcome {
    let shape = inputs.shape;
    let mut tally = Tally::default();
    for (slice, output) in output.chunks_exact(shape.queries * shape.value_dim).enumerate() {
        let reference = Reference::new(inputs, options, slice);
        tally.add(head_within(output, &reference, slack).map_err(|e| format!("slice {slice}: {e}"))?);
    }
    Ok(tally)
}

/// The same for one head whose output is at hand.
pub fn head_outputs(output: &[f32], reference: &Reference) -> Outcome {
    head_within(output, reference, 0.0)
}

fn head_within(output: &[f32], reference: &Reference, slack: f64) -> Outcome {
    let rounding = reference.rounding();
    let rows = output.chunks_exact(reference.head.value_dim).enumerate();
    let mut tally = Tally::default();
    for (i, output) in rows {
        tally.add(row_within(i, output, &reference.row(&rounding, i), &reference.head, slack)?);
    }
    Ok(tally)
}

pub fn row_outputs(i: usize, output: &[f32], expected: &ReferenceRow, head: &Head) -> Outcome {
    row_within(i, output, expected, head, 0.0)
}

fn row_within(i: usize, output: &[f32], expected: &ReferenceRow, head: &Head, slack: f64) -> Outcome {
    let mut tally = Tally { rows: 1, fell_back: usize::from(expected.fell_back), ..Tally::default() };
    if !output.iter().all(|x| x.is_finite()) {
        return Err(format!("row {i} is {output:?}"));
    }
    if !expected.bounds.decided() {
        tally.undecided = 1;
        return Ok(tally);
    }
    let wanted = output_row(head, &expected.probabilities);
    for (c, (&got, &wanted)) in output.iter().zip(&wanted).enumerate() {
        let bound = expected.bounds.output(head, c, wanted) + slack * expected.bounds.magnitude(head, c);
        tally.compare("output", [i, c], f64::from(got), wanted, bound)?;
    }
    Ok(tally)
}

/// Every matrix that `decompose` gives equals the reference's within the rounding bounds.
pub fn decomposition(inputs: &Inputs, options: &Options) -> Outcome {
    let seen = analysis::decompose(inputs.q(), inputs.k(), inputs.v(), options).map_err(|e| e.to_string())?;
    let reference = Reference::new(inputs, options, 0);
    let (head, rounding) = (&reference.head, reference.rounding());
    let mut tally = Tally::default();
    for i in 0..head.queries {
        let expected = reference.row(&rounding, i);
        tally.rows += 1;
        tally.fell_back += usize::from(expected.fell_back);
        for j in 0..head.keys {
            let at = i * head.keys + j;
            if (seen.support[at] != 0) != reference.mask.contains(i, j) {
                return Err(format!("support [{i}, {j}] is {}", seen.support[at]));
            }
        }
        if !expected.bounds.decided() {
            tally.undecided += 1;
            continue;
        }
        for j in 0..head.keys {
            let p = expected.probabilities[j];
            let got = f64::from(seen.approximation[i * head.keys + j]);
            tally.compare("approximation", [i, j], got, p, expected.bounds.probability(j, p))?;
        }
        if expected.row.mass() > 0.0 && !expected.fell_back {
            let (got, wanted) = (seen.log_normalizer[i], expected.row.log_normalizer());
            let bound = 2.0 * expected.bounds.mass() + 1e-12 * wanted.abs();
            tally.compare("log_normalizer", [i, 0], got, wanted, bound)?;
        }
    }
    Ok(tally)
}

/// Runs `check` on all cases before it says which of them failed.
pub fn all<T>(cases: impl Iterator<Item = T>, name: impl Fn(&T) -> String, check: impl Fn(&T) -> Outcome) -> Tally {
    let (mut tally, mut count, mut failures) = (Tally::default(), 0, vec![]);
    let mut closest = String::new();
    for case in cases {
        count += 1;
        match check(&case) {
            Ok(seen) => {
                if seen.closest > tally.closest {
                    closest = name(&case);
                }
                tally.add(seen);
            }
            Err(what) => failures.push(format!("{}: {what}", name(&case))),
        }
    }
    println!("{count} cases: {tally:?}, closest to its bound: {closest}");
    let first: Vec<&str> = failures.iter().map(String::as_str).take(8).collect();
    assert!(failures.is_empty(), "{} of {count} cases fail, first\n  {}", failures.len(), first.join("\n  "));
    assert!(tally.rows > 0);
    tally
}
