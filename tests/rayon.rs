//! Several threads give what one does.

mod harness;
mod oracle;

use harness::cases;
use harness::data::Inputs;
use scatterbrain::{Inputs as Tensors, Options, Plan, Run, Shape, Stats, Tensor, attention_with_stats};

fn on_threads<T: Send>(count: usize, work: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(count).build().unwrap().install(work)
}

/// The call on one thread.
fn alone(inputs: &Inputs, options: &Options) -> scatterbrain::Result<(Tensor, Stats)> {
    let plan = Plan::new(inputs.shape, options)?;
    let mut run = Run::new(plan, Tensors { q: &inputs.q[..], k: &inputs.k[..], v: &inputs.v[..] })?;
    while !run.is_done() {
        run.step()?;
    }
    Ok(run.finish())
}

fn shared(inputs: &Inputs, options: &Options) -> scatterbrain::Result<(Tensor, Stats)> {
    attention_with_stats(inputs.q(), inputs.k(), inputs.v(), options)
}

#[test]
fn every_method_gives_the_same_bits_on_several_threads() {
    let grouped = Shape { batch: 2, heads: 6, queries: 150, keys: 70, dim: 6, value_dim: 5, kv_heads: 2 };
    let single = Shape { batch: 1, heads: 1, queries: 333, kv_heads: 1, ..grouped };
    for (shape, key_lengths) in [(grouped, vec![70, 0]), (single, vec![61])] {
        let inputs = Inputs::normal(shape, 1.0, 1);
        for causal in [false, true] {
            let mut all = cases::estimators(70, 12, causal);
            all.extend(cases::clustered(70, causal));
            for options in all {
                let options = Options { key_lengths: Some(key_lengths.clone()), ..options };
                let (wanted, one) = alone(&inputs, &options).unwrap();
                for threads in [1, 2, 3, 7] {
                    let (output, stats) = on_threads(threads, || shared(&inputs, &options)).unwrap();
                    assert_eq!(output, wanted, "{threads} threads, {options:?}");
                    let numbers = |stats: &Stats| (stats.support_entries, stats.clusters, stats.features);
                    assert_eq!(numbers(&stats), numbers(&one), "{threads} threads, {options:?}");
                    let names = |stats: &Stats| stats.phases.iter().map(|phase| phase.name).collect::<Vec<_>>();
                    assert_eq!(names(&stats), names(&one));
                    assert_eq!((stats.method, stats.instruction_set), (one.method, one.instruction_set));
                }
            }
        }
    }
}

#[test]
fn the_same_faults_are_found() {
    let shape = Shape { batch: 1, heads: 4, queries: 64, keys: 64, dim: 4, value_dim: 4, kv_heads: 4 };
    let mut inputs = Inputs::normal(shape, 1.0, 1);
    // Of faults in several heads and tensors it is always the first one.
    inputs.k[5] = f32::INFINITY;
    inputs.q[900] = f32::NAN;
    inputs.q[901] = f32::NAN;
    let wanted = alone(&inputs, &Options::default()).unwrap_err();
    assert!(wanted.to_string().contains("q[900]"), "{wanted}");
    let error = on_threads(3, || shared(&inputs, &Options::default())).unwrap_err();
    assert_eq!(error.to_string(), wanted.to_string());
    let options = Options { key_lengths: Some(vec![65]), ..Options::default() };
    let error = on_threads(3, || shared(&inputs, &options)).unwrap_err();
    assert_eq!(error.to_string(), alone(&inputs, &options).unwrap_err().to_string());
}
