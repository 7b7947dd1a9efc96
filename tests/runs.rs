//! A plan carried out step by step is the same call.

mod harness;
mod oracle;

use harness::cases;
use harness::data::Inputs;
use scatterbrain::{Inputs as Tensors, Method, Options, Plan, Run, Shape, attention_with_stats};

fn shape() -> Shape {
    Shape { batch: 2, heads: 3, queries: 150, keys: 70, dim: 6, value_dim: 5, kv_heads: 1 }
}

#[test]
fn stepping_gives_the_same_bits_and_reports_progress() {
    let inputs = Inputs::normal(shape(), 1.0, 1);
    for causal in [false, true] {
        for options in cases::estimators(70, 12, causal).into_iter().chain(cases::clustered(70, causal)) {
            let options = Options { key_lengths: Some(vec![70, 0]), ..options };
            let (wanted, stats) = attention_with_stats(inputs.q(), inputs.k(), inputs.v(), &options).unwrap();
            let plan = Plan::new(shape(), &options).unwrap();
            assert_eq!(plan.method(), options.method);
            let mut run = Run::new(plan, Tensors { q: &inputs.q[..], k: &inputs.k[..], v: &inputs.v[..] }).unwrap();
            let (mut fraction, mut steps) = (0.0, 0);
            assert_eq!(run.fraction(), 0.0);
            while !run.is_done() {
                run.step().unwrap();
                assert!((fraction..=1.0).contains(&run.fraction()), "{options:?}: {} after {fraction}", run.fraction());
                fraction = run.fraction();
                steps += 1;
            }
            assert_eq!(fraction, 1.0);
            assert!(steps > 6, "{options:?}: six heads in {steps} steps leave no room to report progress");
            run.step().expect("a step after the last is none");
            let (output, again) = run.finish();
            assert_eq!(output, wanted, "{options:?}");
            assert_eq!((again.support_entries, again.features), (stats.support_entries, stats.features));
        }
    }
}

#[test]
fn a_plan_can_be_run_again() {
    let options = cases::estimators(70, 12, false).pop().unwrap();
    let plan = Plan::new(shape(), &options).unwrap();
    let outputs: Vec<_> = [1, 2, 1]
        .into_iter()
        .map(|seed| {
            let inputs = Inputs::normal(shape(), 1.0, seed);
            let mut run = Run::new(plan.clone(), Tensors { q: inputs.q, k: inputs.k, v: inputs.v }).unwrap();
            while !run.is_done() {
                run.step().unwrap();
            }
            run.finish().0
        })
        .collect();
    assert_eq!(outputs[0], outputs[2]);
    assert_ne!(outputs[0], outputs[1]);
}

#[test]
fn phases_add_up_to_the_time() {
    let inputs = Inputs::normal(shape(), 1.0, 2);
    for method in [Method::Exact, Method::Scatterbrain] {
        let options = Options { method, ..Options::default() };
        let (_, stats) = attention_with_stats(inputs.q(), inputs.k(), inputs.v(), &options).unwrap();
        let sum: f64 = stats.phases.iter().map(|phase| phase.milliseconds).sum();
        assert!(stats.phases.iter().all(|phase| phase.milliseconds >= 0.0 && !phase.name.is_empty()));
        assert!(sum > 0.0 && sum <= stats.milliseconds * 1.001 + 1e-6, "{sum} of {} ms", stats.milliseconds);
    }
}
