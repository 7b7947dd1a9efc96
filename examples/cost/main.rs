//! How time and memory of the default method grow with the sequence, at the same number of entries and features per query.
//!
//! `make cost` runs it: Markdown on stdout, progress on stderr. Tokens are those of a captured head, drawn again with
//! noise, so that longer sequences are like the one that they come from.

#[path = "../accuracy/head.rs"]
#[allow(dead_code, reason = "the other example uses the rest")]
mod head;

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use chacha20::ChaCha8Rng;
use chacha20::rand_core::{Rng, SeedableRng};
use head::Head;
use peak_alloc::PeakAlloc;
use rand_distr::{Distribution, StandardNormal};
use scatterbrain::{Method, Options, attention};

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

const TOKENS: [usize; 5] = [4096, 8192, 16384, 32768, 65536];

/// Entries and features per query.
const FLOATS: usize = 128;

/// Standard deviation of the noise, as a share of that of all elements.
const NOISE: f64 = 0.25;

/// Runs of each length; the median counts.
const RUNS: usize = 3;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/heads");
    let heads = Head::read_all(&folder)?;
    for name in ["dinov2-astronaut-4097-l09h2", "smollm2-mobydick-4096-l12h4"] {
        let head =
            heads.iter().find(|head| head.name == name).ok_or(format!("{name} is not in {}", folder.display()))?;
        let causal = if head.causal { ", causal" } else { "" };
        println!("### Tokens like those of {name}{causal}; {FLOATS} floats per query\n");
        println!(
            "| tokens | seconds | bytes beyond the inputs | exponent of time | of memory |\n|---|---|---|---|---|"
        );
        let mut before: Option<(f64, f64)> = None;
        let mut first = None;
        for tokens in TOKENS {
            eprintln!("{name}: {tokens} tokens");
            let (seconds, bytes) = measure(head, tokens)?;
            let exponents = before.map_or("– | –".into(), |(s, b)| {
                format!("{:.2} | {:.2}", (seconds / s).log2(), (bytes / b).log2())
            });
            println!("| {tokens} | {seconds:.3} | {:.1} M | {exponents} |", bytes / 1e6);
            before = Some((seconds, bytes));
            first = first.or(before);
        }
        if let (Some(first), Some(last)) = (first, before) {
            let doublings = (TOKENS[TOKENS.len() - 1] as f64 / TOKENS[0] as f64).log2();
            println!(
                "\nFrom {} to {} tokens: time grows as n^{:.2}, memory as n^{:.2}.\n",
                TOKENS[0],
                TOKENS[TOKENS.len() - 1],
                (last.0 / first.0).log2() / doublings,
                (last.1 / first.1).log2() / doublings
            );
        }
    }
    Ok(())
}

/// Median seconds, and bytes at the most, output included.
fn measure(head: &Head, tokens: usize) -> Result<(f64, f64), Box<dyn Error>> {
    let mut rng = ChaCha8Rng::seed_from_u64(tokens as u64);
    let rows: Vec<usize> = (0..tokens).map(|token| row(head, token, tokens, &mut rng)).collect();
    let [q, k, v] = [&head.q, &head.k, &head.v].map(|source| drawn(source, &rows, head.dim, &mut rng));
    let view = |data| scatterbrain::TensorView::head(data, tokens, head.dim);
    let budget = Some(FLOATS as f64 / tokens as f64);
    let options = Options { method: Method::Scatterbrain, budget, ..head.options() };
    let mut times = Vec::new();
    let mut bytes = 0;
    for _ in 0..RUNS {
        let held = ALLOCATOR.current_usage();
        ALLOCATOR.reset_peak_usage();
        let start = Instant::now();
        attention(view(&q), view(&k), view(&v), &options)?;
        times.push(start.elapsed().as_secs_f64());
        bytes = ALLOCATOR.peak_usage() - held;
    }
    times.sort_by(f64::total_cmp);
    Ok((times[RUNS / 2], bytes as f64))
}

/// The token to draw from: any, or causal, in order, so that what was near stays near.
fn row(head: &Head, token: usize, tokens: usize, rng: &mut ChaCha8Rng) -> usize {
    if head.causal { token * head.tokens / tokens } else { rng.next_u32() as usize % head.tokens }
}

fn drawn(source: &[f32], rows: &[usize], dim: usize, rng: &mut ChaCha8Rng) -> Vec<f32> {
    let square = source.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / source.len() as f64;
    let deviation = NOISE * square.sqrt();
    let tokens = rows.iter().flat_map(|&row| &source[row * dim..(row + 1) * dim]);
    let mut normal = || -> f64 { StandardNormal.sample(rng) };
    tokens.map(|&x| (f64::from(x) + deviation * normal()) as f32).collect()
}
