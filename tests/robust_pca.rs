//! Principal component pursuit: what it must recover, and what it may be given.

mod harness;
mod oracle;

use std::path::Path;

use harness::data::Random;
use oracle::robust_pca::{jacobi, norm, reference, wide};
use safetensors::SafeTensors;
use scatterbrain::analysis::{RobustPca, RobustPcaOptions, RobustPcaResult, attention_matrix, robust_pca};
use scatterbrain::{Error, Options, TensorView};

/// L + S with known parts, row-major.
struct Planted {
    rows: usize,
    columns: usize,
    matrix: Vec<f32>,
    low_rank: Vec<f64>,
    corrupted: usize,
}

/// L a product of Gaussian factors whose entries have variance 1, S of uniform numbers in [-50, 50] at random places, as in
/// the experiments of Lin, Chen and Ma (2010), but for those below 1: entries of S as small as the tolerance cannot be
/// counted.
fn planted(rows: usize, columns: usize, rank: usize, share: f64, seed: u64) -> Planted {
    let mut random = Random::new(seed);
    let left: Vec<f64> = (0..rows * rank).map(|_| random.normal()).collect();
    let right: Vec<f64> = (0..columns * rank).map(|_| random.normal()).collect();
    let entry = |i: usize, j: usize| (0..rank).map(|r| left[i * rank + r] * right[j * rank + r]).sum::<f64>();
    let low_rank: Vec<f64> = (0..rows * columns).map(|n| entry(n / columns, n % columns)).collect();
    let corrupted = (share * low_rank.len() as f64).round() as usize;
    let mut sum = low_rank.clone();
    for &n in &random.permutation(sum.len())[..corrupted] {
        let sign = if random.uniform() < 0.5 { -1.0 } else { 1.0 };
        sum[n] += sign * (1.0 + 49.0 * random.uniform());
    }
    Planted { rows, columns, matrix: sum.iter().map(|&x| x as f32).collect(), low_rank, corrupted }
}

/// |a - b|_F / |b|_F.
fn distance(a: impl Iterator<Item = f64>, b: &[f64]) -> f64 {
    norm(a.zip(b).map(|(a, b)| a - b)) / norm(b.iter().copied())
}

fn split(planted: &Planted) -> RobustPcaResult {
    robust_pca(&planted.matrix, planted.rows, planted.columns, &RobustPcaOptions::default()).unwrap()
}

fn assert_recovers(planted: &Planted, rank: usize) {
    let parts = split(planted);
    let error = distance(wide(&parts.low_rank), &planted.low_rank);
    println!(
        "{} x {}, {} corrupted: error {error:.1e}, rank {}, {} nonzeros, {} iterations, residual {:.1e}, {:.0} ms",
        planted.rows,
        planted.columns,
        planted.corrupted,
        parts.rank,
        parts.nonzeros,
        parts.iterations,
        parts.residual,
        parts.milliseconds
    );
    assert!(error <= 1e-6, "{error:e}");
    assert!(parts.converged && parts.residual <= 1e-7 && parts.iterations <= 40);
    assert_eq!(parts.rank, rank);
    assert_eq!(parts.singular_values.len(), rank);
    assert_eq!(parts.nonzeros, planted.corrupted);
}

#[test]
fn planted_parts_are_recovered() {
    for (n, share) in [(200, 0.05), (200, 0.1), (200, 0.2), (400, 0.05), (400, 0.1), (400, 0.2)] {
        assert_recovers(&planted(n, n, n / 20, share, n as u64), n / 20);
    }
}

#[test]
fn planted_parts_of_oblong_matrices_are_recovered() {
    assert_recovers(&planted(150, 400, 8, 0.05, 3), 8);
    assert_recovers(&planted(400, 150, 8, 0.05, 4), 8);
}

/// On matrices that are no such sum, where nothing separates what is kept from what is not.
#[test]
fn parts_equal_the_reference() {
    for (seed, rows, columns) in [(1, 24, 17), (2, 17, 24), (3, 30, 30), (4, 40, 5)] {
        let matrix = Random::new(seed).normals(rows * columns, 1.0);
        let lambda = 1.0 / (rows.max(columns) as f64).sqrt();
        let (low_rank, sparse, iterations) = reference(&matrix, rows, columns, lambda);
        let parts = robust_pca(&matrix, rows, columns, &RobustPcaOptions::default()).unwrap();
        let errors = (distance(wide(&parts.low_rank), &low_rank), distance(wide(&parts.sparse), &sparse));
        println!("{rows} x {columns}: {errors:?}, rank {}, {iterations} iterations", parts.rank);
        assert!(errors.0 < 1e-6 && errors.1 < 1e-6, "{rows} x {columns}: {errors:?}");
        assert_eq!(parts.iterations, iterations);
    }
}

fn assert_close(a: &[f32], b: impl Iterator<Item = f32>, what: &str) {
    let b: Vec<f64> = b.map(f64::from).collect();
    let error = distance(wide(a), &b);
    assert!(a.len() == b.len() && error < 1e-6, "{what}: {error:e}");
}

fn transposed(x: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    (0..columns).flat_map(|j| (0..rows).map(move |i| x[i * columns + j])).collect()
}

#[test]
fn the_parts_add_up() {
    let m = planted(90, 70, 12, 0.3, 7);
    let parts = split(&m);
    let rest = norm(
        m.matrix
            .iter()
            .zip(parts.low_rank.iter().zip(&parts.sparse))
            .map(|(m, (l, s))| f64::from(*m) - f64::from(*l) - f64::from(*s)),
    );
    // Either part is rounded to f32.
    let rounding = 6e-8 * (norm(wide(&parts.low_rank)) + norm(wide(&parts.sparse)));
    assert!(parts.converged && parts.residual <= 1e-7);
    assert!(rest <= parts.residual * norm(wide(&m.matrix)) + rounding, "{rest:e}");
}

#[test]
fn singular_values_are_those_of_the_low_rank_part() {
    let m = planted(60, 45, 4, 0.1, 8);
    let parts = split(&m);
    let columns = (0..45).map(|j| (0..60).map(|i| f64::from(parts.low_rank[i * 45 + j])).collect()).collect();
    let mut expected: Vec<f64> = jacobi(columns).0.iter().map(|c| norm(c.iter().copied())).collect();
    expected.sort_by(|a, b| b.total_cmp(a));
    assert_eq!(parts.singular_values.len(), parts.rank);
    for (value, expected) in parts.singular_values.iter().zip(&expected) {
        assert!((value / expected - 1.0).abs() < 1e-5, "{value}, not {expected}");
    }
}

#[test]
fn a_transposed_matrix_has_transposed_parts() {
    for (rows, columns) in [(60, 90), (50, 50)] {
        let m = planted(rows, columns, 5, 0.1, 9);
        let parts = split(&m);
        let turned =
            robust_pca(&transposed(&m.matrix, rows, columns), columns, rows, &RobustPcaOptions::default()).unwrap();
        assert_eq!((parts.rank, parts.nonzeros), (turned.rank, turned.nonzeros));
        assert_close(&turned.low_rank, transposed(&parts.low_rank, rows, columns).into_iter(), "L");
        assert_close(&turned.sparse, transposed(&parts.sparse, rows, columns).into_iter(), "S");
    }
}

#[test]
fn a_scaled_matrix_has_scaled_parts() {
    let m = planted(60, 60, 3, 0.1, 10);
    let parts = split(&m);
    // From the smallest numbers that f32 keeps in full, to the largest.
    for factor in [2f32.powi(-110), 0.37, -1.0, 1000.0, 2f32.powi(120)] {
        let scaled: Vec<f32> = m.matrix.iter().map(|x| x * factor).collect();
        let scaled = robust_pca(&scaled, 60, 60, &RobustPcaOptions::default()).unwrap();
        assert_eq!((parts.rank, parts.nonzeros), (scaled.rank, scaled.nonzeros), "{factor}");
        assert_close(&scaled.low_rank, parts.low_rank.iter().map(|x| x * factor), "L");
        assert_close(&scaled.sparse, parts.sparse.iter().map(|x| x * factor), "S");
    }
}

#[test]
fn lambda_weighs_the_parts() {
    let m = planted(80, 80, 4, 0.1, 11);
    let with = |lambda| {
        let options = RobustPcaOptions { lambda: Some(lambda), ..RobustPcaOptions::default() };
        robust_pca(&m.matrix, 80, 80, &options).unwrap()
    };
    let default = with(1.0 / 80f64.sqrt());
    assert_eq!(default.low_rank, split(&m).low_rank);
    let (low, high) = (with(0.02), with(0.5));
    assert!(low.rank < default.rank && default.rank < high.rank, "{} {} {}", low.rank, default.rank, high.rank);
    assert!(low.nonzeros > default.nonzeros && default.nonzeros > high.nonzeros);
    // All of it is sparse, or none.
    for extreme in [1e-300, 1e-9] {
        let all = with(extreme);
        assert_eq!((all.rank, all.converged), (0, true), "{extreme}");
        assert_close(&all.sparse, m.matrix.iter().copied(), "S");
    }
    for extreme in [1e9, 1e300] {
        let none = with(extreme);
        assert_eq!((none.nonzeros, none.converged), (0, true), "{extreme}");
        assert_close(&none.low_rank, m.matrix.iter().copied(), "L");
    }
}

#[test]
fn iterations_and_tolerance_are_respected() {
    let m = planted(60, 60, 3, 0.1, 12);
    let with = |tolerance, max_iterations| {
        let options = RobustPcaOptions { tolerance, max_iterations, ..RobustPcaOptions::default() };
        robust_pca(&m.matrix, 60, 60, &options).unwrap()
    };
    let few = with(1e-7, 3);
    assert_eq!((few.iterations, few.converged), (3, false));
    assert!(few.residual > 1e-7);
    let coarse = with(1e-3, 100);
    assert!(coarse.converged && coarse.residual <= 1e-3 && coarse.iterations < split(&m).iterations);
    // Out of reach for doubles: it ends all the same.
    let impossible = with(1e-300, 60);
    assert_eq!((impossible.iterations, impossible.converged), (60, false));
    assert!(impossible.residual < 1e-7, "{}", impossible.residual);
}

#[test]
fn progress_never_falls_and_steps_end() {
    let m = planted(50, 40, 3, 0.1, 13);
    let mut work = RobustPca::new(&m.matrix, 50, 40, &RobustPcaOptions::default()).unwrap();
    let mut heard = vec![work.fraction()];
    while !work.is_done() {
        work.step().unwrap();
        heard.push(work.fraction());
    }
    assert!(heard.windows(2).all(|pair| pair[0] <= pair[1]));
    assert!(heard[0] == 0.0 && heard[heard.len() / 2] > 0.0 && heard[heard.len() - 1] == 1.0);
    work.step().unwrap();
    assert_eq!(work.finish().unwrap().low_rank, split(&m).low_rank);
}

#[test]
fn degenerate_matrices() {
    for (rows, columns) in [(1, 1), (1, 30), (30, 1), (2, 2), (7, 3)] {
        let zeros = robust_pca(&vec![0.0; rows * columns], rows, columns, &RobustPcaOptions::default()).unwrap();
        assert_eq!((zeros.rank, zeros.nonzeros, zeros.residual, zeros.iterations), (0, 0, 0.0, 0));
        assert!(zeros.converged && zeros.low_rank.iter().chain(&zeros.sparse).all(|&x| x == 0.0));
        for matrix in [vec![1.0; rows * columns], vec![f32::MAX; rows * columns], vec![1e-45; rows * columns]] {
            let parts = robust_pca(&matrix, rows, columns, &RobustPcaOptions::default()).unwrap();
            assert!(parts.converged && parts.rank <= 1, "{rows} x {columns} of {}", matrix[0]);
            let sum = parts.low_rank.iter().zip(&parts.sparse).map(|(l, s)| l + s);
            assert!(parts.low_rank.iter().chain(&parts.sparse).all(|x| x.is_finite()));
            assert_close(&matrix, sum, "the sum");
        }
    }
    // One entry, a row and a column of an otherwise empty matrix; and the identity.
    for set in [|i, j| (i, j) == (3, 4), |i, _| i == 3, |_, j| j == 4, |i, j| i == j] as [fn(usize, usize) -> bool; 4] {
        let matrix: Vec<f32> = (0..100).map(|n| f32::from(u8::from(set(n / 10, n % 10)))).collect();
        let parts = robust_pca(&matrix, 10, 10, &RobustPcaOptions::default()).unwrap();
        assert!(parts.converged);
        assert_close(&matrix, parts.low_rank.iter().zip(&parts.sparse).map(|(l, s)| l + s), "the sum");
    }
}

#[test]
fn what_is_wrong_is_named() {
    let refuses = |matrix: &[f32], rows, columns, options: RobustPcaOptions, code, words: &[&str]| {
        let error = robust_pca(matrix, rows, columns, &options).unwrap_err();
        assert_eq!(error.code(), code, "{error}");
        words.iter().for_each(|word| assert!(error.to_string().contains(word), "\"{error}\" lacks \"{word}\""));
    };
    let default = RobustPcaOptions::default;
    refuses(&[], 0, 3, default(), "InvalidShape", &["rows: 0"]);
    refuses(&[], 3, 0, default(), "InvalidShape", &["columns: 0"]);
    refuses(&[1.0; 5], 2, 3, default(), "InvalidShape", &["matrix.length: 5", "6 (rows * columns)"]);
    refuses(&[1.0; 5], usize::MAX, 3, default(), "InvalidShape", &["rows"]);
    refuses(&[1.0; 5], 1 << 30, 1 << 30, default(), "InvalidShape", &["matrix.length: 5", "1152921504606846976"]);
    for (value, text) in [(f32::NAN, "NaN"), (f32::INFINITY, "Infinity"), (f32::NEG_INFINITY, "-Infinity")] {
        refuses(&[0.0, value], 1, 2, default(), "NonFinite", &["matrix[1]", text]);
    }
    for value in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let options = RobustPcaOptions { lambda: Some(value), ..default() };
        refuses(&[1.0], 1, 1, options, "InvalidOption", &["lambda", &value.to_string()]);
    }
    for value in [0.0, -1.0, 1.0, f64::NAN] {
        let options = RobustPcaOptions { tolerance: value, ..default() };
        refuses(&[1.0], 1, 1, options, "InvalidOption", &["tolerance", &value.to_string()]);
    }
    for value in [0, 10_001] {
        let options = RobustPcaOptions { max_iterations: value, ..default() };
        refuses(&[1.0], 1, 1, options, "InvalidOption", &["maxIterations", &value.to_string()]);
    }
}

#[test]
fn attention_matrices_are_softmax_rows() {
    let mut random = Random::new(14);
    let (queries, keys, dim) = (37, 41, 5);
    let (q, k) = (random.normals(queries * dim, 1.0), random.normals(keys * dim, 1.0));
    let (q, k) = (TensorView::head(&q, queries, dim), TensorView::head(&k, keys, dim));
    for (causal, length) in [(false, keys), (true, keys), (false, 30), (true, 30), (false, 0)] {
        let options = Options {
            causal,
            scale: Some(0.7),
            temperature: 0.1,
            key_lengths: Some(vec![length]),
            ..Options::default()
        };
        let matrix = attention_matrix(q, k, &options).unwrap();
        for (i, row) in matrix.chunks_exact(keys).enumerate() {
            let visible = if causal { length.min(i + 1) } else { length };
            let logit = |j: usize| {
                7.0 * (0..dim).map(|c| f64::from(q.data[i * dim + c]) * f64::from(k.data[j * dim + c])).sum::<f64>()
            };
            let largest = (0..visible).map(logit).fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = (0..visible).map(|j| (logit(j) - largest).exp()).sum();
            for (j, &x) in row.iter().enumerate() {
                let expected = if j < visible { (logit(j) - largest).exp() / sum } else { 0.0 };
                assert!((f64::from(x) - expected).abs() < 2e-5, "row {i}, key {j}: {x}, not {expected}");
            }
        }
    }
    let two = TensorView::new(k.data, [1, 2, 1, dim]);
    assert!(matches!(attention_matrix(two, two, &Options::default()), Err(Error::InvalidShape { .. })));
}

/// The attention matrix of a captured head.
fn captured(name: &str) -> (Vec<f32>, usize) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/heads").join(name);
    let bytes = std::fs::read(file).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let metadata = SafeTensors::read_metadata(&bytes).unwrap().1.metadata().clone().unwrap();
    let floats = |name: &str| -> Vec<f32> {
        let halves = tensors.tensor(name).unwrap().data().chunks_exact(2);
        halves.map(|pair| half::f16::from_le_bytes([pair[0], pair[1]]).to_f32()).collect()
    };
    let (q, k) = (floats("q"), floats("k"));
    let tokens = q.len() / 64;
    let options = Options {
        scale: Some(metadata["scale"].parse().unwrap()),
        causal: metadata["causal"] == "true",
        ..Options::default()
    };
    let matrix = attention_matrix(TensorView::head(&q, tokens, 64), TensorView::head(&k, tokens, 64), &options);
    (matrix.unwrap(), tokens)
}

#[test]
fn a_real_head_comes_apart() {
    let (matrix, tokens) = captured("dinov2-astronaut-1025-l06h2.safetensors");
    let parts = robust_pca(&matrix, tokens, tokens, &RobustPcaOptions::default()).unwrap();
    let share = parts.nonzeros as f64 / matrix.len() as f64;
    println!(
        "{tokens} tokens: rank {}, {:.1} % nonzero, {} iterations, residual {:.1e}, {:.1} s",
        parts.rank,
        100.0 * share,
        parts.iterations,
        parts.residual,
        parts.milliseconds / 1e3
    );
    assert!(parts.converged && parts.residual <= 1e-7 && parts.iterations <= 45);
    // An independent program with full singular value decompositions (LAPACK's) found rank 603 and 62.40 % nonzeros.
    assert!(parts.rank.abs_diff(603) <= 3 && (share - 0.6240).abs() < 1e-3, "rank {}, {share} nonzero", parts.rank);
}
