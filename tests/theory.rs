//! Three results of the paper, by the programs that `make theory` runs: what an attention matrix of clusters needs
//! (theorem 1), the variance with a hashed support (theorem 2), and errors against entropy (figure 1).

// Each of them is used in part.
#[allow(dead_code)]
#[path = "../examples/theory/entropy.rs"]
mod entropy;
#[allow(dead_code)]
#[path = "../examples/accuracy/head.rs"]
mod head;
#[allow(dead_code)]
#[path = "../examples/theory/regimes.rs"]
mod regimes;
#[allow(dead_code)]
#[path = "../examples/theory/spectrum.rs"]
mod spectrum;
#[allow(dead_code)]
#[path = "../examples/theory/variance.rs"]
mod variance;

use std::path::Path;

use entropy::{Family, Point};
use head::Head;
use regimes::Needs;
use variance::Collision;

/// Theorem 2, over hash and features together. That hashing leaves all of the error must be rejected by the same
/// statistic, where pairs are close enough to collide.
#[test]
fn a_hashed_support_leaves_its_share_of_the_variance() {
    for sampled in variance::variances(16, 40_000).unwrap() {
        let off = (sampled.ratio - (1.0 - sampled.p)) / sampled.ratio_error;
        assert!(off.abs() <= 4.0, "{off} standard errors: {sampled:?}");
        let from_all = (1.0 - sampled.ratio) / sampled.ratio_error;
        assert!(from_all > 4.0, "{from_all} standard errors from no gain at all: {sampled:?}");
    }
}

/// The rotations by three Hadamard-sign products collide as Gaussian ones do. (In few dimensions they do not quite: at
/// 16 far pairs collide less often.)
#[test]
fn the_hash_collides_like_a_gaussian_rotation() {
    for (d, seeds) in [(256, 30_000), (1024, 10_000)] {
        for sampled in variance::collisions(d, seeds).unwrap() {
            let off = (sampled.p - sampled.p_gaussian) / sampled.p_error;
            assert!(off.abs() <= 4.0, "{off} standard errors: {sampled:?}");
        }
    }
}

/// ln(1/p) = e ln d + O(ln ln d) with e = t² / (4 - t²). In so few dimensions the second term is not small; but the tails
/// of normal numbers give its leading part, ρ / (1 + ρ) ln ln d with ρ the cosine, as an upper end. So the slope of
/// ln(1/p) against ln d must lie between e and e plus the slope of that; and the ratio to the formula must fall to 1.
#[test]
fn collisions_follow_the_exponent_of_the_cross_polytope() {
    let [low, middle, high] = [64, 256, 1024].map(|d| variance::collisions(d, 30_000).unwrap());
    let exponents: [fn(f64) -> f64; 3] = [|t| t * t / (4.0 - t * t), |t| t * t / 4.0, |t| t * t / 2.0];
    let mut fits = [true; 3];
    for ((low, middle), high) in low.iter().zip(&middle).zip(&high).filter(|((low, ..), _)| low.t < 1.15) {
        let ratios = [low, middle, high].map(|sampled| sampled.exponent_ratio);
        assert!(ratios.is_sorted_by(|a, b| a > b) && ratios[2] > 1.0, "t = {}: {ratios:?}", low.t);
        for (fits, exponent) in fits.iter_mut().zip(exponents) {
            *fits &= slope_fits(low, high, exponent(low.t));
        }
    }
    // The same test must reject other exponents.
    assert_eq!(fits, [true, false, false]);
}

fn slope_fits(low: &Collision, high: &Collision, exponent: f64) -> bool {
    let (ln_low, ln_high) = ((low.d as f64).ln(), (high.d as f64).ln());
    let run = ln_high - ln_low;
    let slope = (low.p.ln() - high.p.ln()) / run;
    let error = (low.p_error / low.p).hypot(high.p_error / high.p) / run;
    let cosine = 1.0 - low.t * low.t / 2.0;
    let remainder = cosine / (1.0 + cosine) * (ln_high.ln() - ln_low.ln()) / run;
    (exponent - 4.0 * error..=exponent + remainder + 4.0 * error).contains(&slope)
}

fn gain(needs: &Needs) -> f64 {
    needs.sparse.min(needs.low_rank) as f64 / needs.both as f64
}

/// β / ln n at which sparse and low rank alone need equally many parameters, the counts taken as powers in between.
fn crossing(rows: &[Needs]) -> f64 {
    let lead = |needs: &Needs| (needs.sparse as f64 / needs.low_rank as f64).ln();
    let after = rows.iter().position(|needs| lead(needs) < 0.0).expect("sparse wins in the end");
    let (a, b) = (&rows[after - 1], &rows[after]);
    let share = lead(a) / (lead(a) - lead(b));
    a.beta_over_ln_n * (b.beta_over_ln_n / a.beta_over_ln_n).powf(share)
}

/// Theorem 1: low rank, then both, then sparse; where both win neither comes near; and on the scale of ln n lengths
/// agree.
#[test]
fn clusters_are_low_rank_then_both_then_sparse() {
    let mut crossings = Vec::new();
    for tokens in [256, 512] {
        let rows = regimes::measure(regimes::model(tokens, 256), regimes::grid()).unwrap();
        let winners: Vec<&str> = rows.iter().map(|needs| needs.winner).collect();
        let runs: Vec<&str> = winners.chunk_by(|a, b| a == b).map(|run| run[0]).collect();
        assert_eq!(runs, ["low-rank", "both", "sparse"], "{tokens} tokens: {winners:?}");

        for (at, needs) in rows.iter().enumerate() {
            let near = &winners[at.saturating_sub(1)..winners.len().min(at + 2)];
            assert!(near.contains(&needs.predicted), "{needs:?}");
            if (0.15..0.65).contains(&needs.beta_over_ln_n) {
                assert!(gain(needs) > 4.0, "{needs:?}");
            }
            if (0.4..0.55).contains(&needs.beta_over_ln_n) {
                let entries = tokens * tokens;
                assert!(needs.sparse > 3 * entries / 4 && needs.low_rank > entries, "{needs:?}");
            }
        }
        crossings.push(crossing(&rows));
    }
    // β itself differs by ln 512 / ln 256, an eighth.
    assert!((crossings[1] / crossings[0] - 1.0).abs() < 0.03, "{crossings:?}");
}

fn heads(names: &[&str]) -> Vec<Head> {
    let mut heads = Head::read_all(&Path::new(env!("CARGO_MANIFEST_DIR")).join("data/heads")).unwrap();
    heads.retain(|head| names.contains(&head.name.as_str()));
    assert_eq!(heads.len(), names.len());
    heads
}

fn points(head: &Head, family: Family) -> Vec<Point> {
    let points: Vec<Point> =
        [0.125, 0.5, 1.0, 2.0, 8.0].map(|temperature| entropy::measure(head, temperature, family).unwrap()).into();
    assert!(points.is_sorted_by(|a, b| a.entropy < b.entropy));
    points
}

/// Figure 1, with the default method. At the ends the sum is hardly better than one of its parts; in between it is.
#[test]
fn the_sum_wins_at_middle_entropy() {
    let names = ["dinov2-astronaut-1025-l06h2", "dinov2-astronaut-1025-l11h4", "smollm2-mobydick-1024-l05h0"];
    for head in heads(&names) {
        let points = points(&head, Family::Default);
        let gains: Vec<f64> = points.iter().map(|point| point.sparse.min(point.low_rank) / point.both).collect();
        assert!(points.is_sorted_by(|a, b| a.low_rank > b.low_rank), "{points:?}");
        assert!(points[4].sparse > 1.5 * points[0].sparse, "{points:?}");
        let best = gains[1..4].iter().copied().fold(0.0, f64::max);
        assert!(best > 2.0 && best > 2.0 * gains[0].max(gains[4]), "{}: {gains:?}", head.name);
    }
}

/// The same of the oracles, on a causal head, where the spectrum does not fall so fast that low rank wins everywhere.
#[test]
fn oracles_cross_and_their_sum_is_best_between() {
    let [head] = heads(&["smollm2-mobydick-1024-l00h4"]).try_into().ok().unwrap();
    let points = points(&head, Family::Oracle);
    assert!(points.is_sorted_by(|a, b| a.sparse < b.sparse && a.low_rank > b.low_rank), "{points:?}");
    let (cold, own, hot) = (&points[0], &points[2], &points[4]);
    assert!(cold.sparse < cold.low_rank && hot.low_rank < hot.sparse.min(hot.both), "{points:?}");
    assert!(own.both < 0.7 * own.sparse.min(own.low_rank), "{own:?}");
}
