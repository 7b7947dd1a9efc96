//! Principal component pursuit with full singular value decompositions, in f64.

pub fn norm(x: impl Iterator<Item = f64>) -> f64 {
    x.map(|x| x * x).sum::<f64>().sqrt()
}

pub fn wide(x: &[f32]) -> impl Iterator<Item = f64> {
    x.iter().map(|&x| f64::from(x))
}

/// Singular vectors and values by one-sided Jacobi rotations: each pair of columns of `a`, `columns` of them, is made
/// orthogonal until all are. Gives U Σ and V.
pub fn jacobi(mut a: Vec<Vec<f64>>) -> (Vec<Vec<f64>>, Vec<Vec<f64>>) {
    let n = a.len();
    let mut v: Vec<Vec<f64>> = (0..n).map(|i| (0..n).map(|j| f64::from(u8::from(i == j))).collect()).collect();
    let dot = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>();
    for _ in 0..60 {
        let mut worst = 0.0f64;
        for (p, q) in (0..n).flat_map(|p| (p + 1..n).map(move |q| (p, q))) {
            let (x, y, xy) = (dot(&a[p], &a[p]), dot(&a[q], &a[q]), dot(&a[p], &a[q]));
            if xy == 0.0 {
                continue;
            }
            worst = worst.max(xy.abs() / (x * y).sqrt());
            let zeta = (y - x) / (2.0 * xy);
            let t = zeta.signum() / (zeta.abs() + (1.0 + zeta * zeta).sqrt());
            let (c, s) = (1.0 / (1.0 + t * t).sqrt(), t / (1.0 + t * t).sqrt());
            for columns in [&mut a, &mut v] {
                for row in 0..columns[p].len() {
                    let (x, y) = (columns[p][row], columns[q][row]);
                    (columns[p][row], columns[q][row]) = (c * x - s * y, s * x + c * y);
                }
            }
        }
        if worst < 1e-15 {
            break;
        }
    }
    (a, v)
}

/// The method as the paper has it, with full singular value decompositions. Gives L, S and the iterations.
pub fn reference(matrix: &[f32], rows: usize, columns: usize, lambda: f64) -> (Vec<f64>, Vec<f64>, usize) {
    let m: Vec<f64> = wide(matrix).collect();
    let columns_of = |x: &[f64]| (0..columns).map(|j| (0..rows).map(|i| x[i * columns + j]).collect()).collect();
    let size = norm(m.iter().copied());
    let spectral = jacobi(columns_of(&m)).0.iter().map(|c| norm(c.iter().copied())).fold(0.0, f64::max);
    let largest = m.iter().fold(0.0f64, |largest, x| largest.max(x.abs()));
    let mut y: Vec<f64> = m.iter().map(|x| x / spectral.max(largest / lambda)).collect();
    let (mut l, mut s, mut mu) = (vec![0.0; m.len()], vec![0.0; m.len()], 1.25 / spectral);
    for iteration in 1.. {
        for n in 0..m.len() {
            let rest: f64 = m[n] - l[n] + y[n] / mu;
            s[n] = rest.signum() * (rest.abs() - lambda / mu).max(0.0);
        }
        let target: Vec<f64> = (0..m.len()).map(|n| m[n] - s[n] + y[n] / mu).collect();
        let (scaled, v) = jacobi(columns_of(&target));
        l.fill(0.0);
        for (u, v) in scaled.iter().zip(&v) {
            let sigma = norm(u.iter().copied());
            let factor = if sigma > 1.0 / mu { 1.0 - 1.0 / (mu * sigma) } else { 0.0 };
            (0..m.len()).for_each(|n| l[n] += factor * u[n / columns] * v[n % columns]);
        }
        let rest: Vec<f64> = (0..m.len()).map(|n| m[n] - l[n] - s[n]).collect();
        y.iter_mut().zip(&rest).for_each(|(y, rest)| *y += mu * rest);
        if norm(rest.into_iter()) / size <= 1e-7 {
            return (l, s, iteration);
        }
        mu *= 1.5;
    }
    unreachable!()
}
