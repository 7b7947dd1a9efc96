//! The memory that a plan announces bounds what a call takes. A binary of its own, for it counts every allocation.

mod harness;
mod oracle;

use harness::cases;
use harness::data::{Inputs, Random, single};
use peak_alloc::PeakAlloc;
use scatterbrain::analysis::{RobustPcaOptions, robust_pca};
use scatterbrain::{Inputs as Tensors, Method, Options, Plan, Run, Shape, Stats};

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// What a call allocates for its own book-keeping, whatever the sizes.
const OVERHEAD: u64 = 2048;

/// Bytes allocated at the most during `work`, above what was there before.
fn peak_of(work: impl FnOnce()) -> u64 {
    let before = ALLOCATOR.current_usage();
    ALLOCATOR.reset_peak_usage();
    work();
    (ALLOCATOR.peak_usage() - before) as u64
}

fn run(plan: Plan, inputs: &Inputs) -> Stats {
    let mut run = Run::new(plan, Tensors { q: &inputs.q[..], k: &inputs.k[..], v: &inputs.v[..] }).unwrap();
    while !run.is_done() {
        run.step().unwrap();
    }
    run.finish().1
}

/// One test, since tests of one binary run side by side and would count each other's bytes.
#[test]
fn planned_memory_bounds_what_is_taken() {
    let shapes = [
        single(1, 1, 1, 1),
        single(100, 300, 20, 7),
        single(700, 1000, 64, 64),
        single(16, 5000, 8, 130),
        single(3000, 40, 33, 5),
        Shape { batch: 2, heads: 4, queries: 200, keys: 260, dim: 16, value_dim: 24, kv_heads: 2 },
    ];
    let (mut loosest, mut failures) = (0.0f64, vec![]);
    for shape in shapes {
        let inputs = Inputs::normal(shape, 1.0, 1);
        let tensors = 4 * (shape.q_len() + shape.k_len() + shape.v_len()) as u64;
        for causal in [false, true] {
            let mut all = cases::estimators(shape.keys, 48, causal);
            all.extend(cases::clustered(shape.keys, causal));
            all.push(Options { causal, ..Options::default() });
            all.push(Options { method: Method::Scatterbrain, causal, ..Options::default() });
            for options in all {
                let plan = Plan::new(shape, &options).unwrap();
                let planned = plan.peak_bytes();
                let mut said = 0;
                let taken = tensors + peak_of(|| said = run(plan, &inputs).peak_bytes);
                assert_eq!(said, planned, "{options:?}");
                // The plan itself and the list of phases are not counted, nor what the allocator adds.
                if taken > planned + OVERHEAD {
                    failures.push(format!("{shape:?} {options:?}: took {taken}, planned {planned}"));
                }
                if taken > 1 << 20 {
                    loosest = loosest.max(planned as f64 / taken as f64);
                }
            }
        }
    }
    for (rows, columns) in [(1, 1), (1, 50), (300, 200), (200, 300), (1500, 20)] {
        let matrix = Random::new(2).normals(rows * columns, 1.0);
        let mut planned = 0;
        let peak = peak_of(|| {
            let options = RobustPcaOptions { max_iterations: 3, ..RobustPcaOptions::default() };
            planned = robust_pca(&matrix, rows, columns, &options).unwrap().peak_bytes;
        });
        let taken = 4 * matrix.len() as u64 + peak;
        if taken > planned + OVERHEAD {
            failures.push(format!("robust PCA of {rows} x {columns}: took {taken}, planned {planned}"));
        }
    }
    #[cfg(feature = "rayon")]
    for options in [Method::Exact, Method::Scatterbrain].map(|method| Options { method, ..Options::default() }) {
        let inputs = Inputs::normal(Shape { heads: 5, ..single(700, 1000, 64, 64) }, 1.0, 1);
        let (mut taken, mut said) = (4 * (inputs.q.len() + inputs.k.len() + inputs.v.len()) as u64, 0);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
        pool.install(|| {
            taken += peak_of(|| {
                let call = scatterbrain::attention_with_stats(inputs.q(), inputs.k(), inputs.v(), &options);
                said = call.unwrap().1.peak_bytes;
            });
        });
        // Each part has book-keeping of its own.
        if taken > said + 12 * OVERHEAD || said > 2 * taken {
            failures.push(format!("three threads, {options:?}: took {taken}, said {said}"));
        }
    }
    let first: Vec<&str> = failures.iter().map(String::as_str).take(8).collect();
    assert!(failures.is_empty(), "{} calls took more, first\n  {}", failures.len(), first.join("\n  "));
    // A bound that is far off would make a small machine refuse what it can do.
    println!("at the loosest {loosest:.2} times what is taken");
    assert!(loosest < 4.0, "{loosest}");
}
