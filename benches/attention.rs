//! Native speed of one head on one thread: `cargo bench`.
//!
//! Elements a second are the flops of exact attention, 4 tokens² dim, whatever a method does in their place: numbers of one head can
//! be compared with each other.

#[path = "../examples/accuracy/head.rs"]
#[allow(dead_code, reason = "the examples use the rest")]
mod head;

use std::path::Path;
use std::time::Duration;

use chacha20::ChaCha8Rng;
use chacha20::rand_core::SeedableRng;
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use head::Head;
use rand_distr::{Distribution, StandardNormal};
use scatterbrain::{Features, Method, Options, Support, TensorView, attention};

const DIM: usize = 64;

/// Exact attention of normal numbers, whose time does not depend on them.
fn exact(c: &mut Criterion) {
    let mut group = c.benchmark_group("exact");
    let options = Options { method: Method::Exact, ..Options::default() };
    for tokens in [1024, 2048, 4096] {
        run(&mut group, &tokens.to_string(), &normal_head(tokens), &options);
    }
}

/// Estimators on a captured head: how long a search takes depends on what there is to find.
fn estimators(c: &mut Criterion) {
    let mut group = c.benchmark_group("estimators");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/heads");
    let heads = Head::read_all(&folder).expect("the captured heads can be read");
    let name = "dinov2-astronaut-4097-l09h2";
    let head = heads.iter().find(|head| head.name == name).expect("the captured head is there");
    let paper = Options {
        support: Some(Support::Smyrf { cluster: Some(64), rounds: Some(2) }),
        features: Some(Features::Favor { count: Some(128), hyperbolic: false, center: false, balance: false }),
        ..head.options()
    };
    run(&mut group, "smyrf 2 x 64 + favor 128", head, &paper);
    let default = Options { method: Method::Scatterbrain, budget: Some(0.0625), ..head.options() };
    run(&mut group, "default, budget 0.0625", head, &default);
}

fn run(group: &mut BenchmarkGroup<WallTime>, name: &str, head: &Head, options: &Options) {
    let [q, k, v] = [&head.q, &head.k, &head.v].map(|data| TensorView::head(data, head.tokens, head.dim));
    group.throughput(Throughput::Elements((4 * head.tokens * head.tokens * head.dim) as u64));
    // A sample is as many calls as any other: some milliseconds need no growing numbers of them.
    group.sampling_mode(SamplingMode::Flat).sample_size(20).measurement_time(Duration::from_secs(5));
    group.bench_function(name, |bencher| {
        bencher.iter(|| attention(q, k, v, options).expect("the options fit the head"));
    });
}

fn normal_head(tokens: usize) -> Head {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut tensor = || (0..tokens * DIM).map(|_| StandardNormal.sample(&mut rng)).collect();
    let (q, k, v) = (tensor(), tensor(), tensor());
    Head { name: tokens.to_string(), tokens, dim: DIM, scale: 0.125, causal: false, q, k, v }
}

criterion_group!(benches, exact, estimators);
criterion_main!(benches);
