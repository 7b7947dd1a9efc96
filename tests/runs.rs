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
fn parts_give_the_same_bits_as_the_whole() {
    let few = Shape { batch: 1, heads: 1, queries: 333, ..shape() };
    for (shape, key_lengths) in [(shape(), vec![70, 0]), (few, vec![70])] {
        let inputs = Inputs::normal(shape, 1.0, 1);
        for causal in [false, true] {
            for options in cases::estimators(70, 12, causal).into_iter().chain(cases::clustered(70, causal)) {
                let options = Options { key_lengths: Some(key_lengths.clone()), ..options };
                let (wanted, stats) = attention_with_stats(inputs.q(), inputs.k(), inputs.v(), &options).unwrap();
                let plan = Plan::new(shape, &options).unwrap();
                for count in [1, 2, 4, 5, 64] {
                    let (mut output, mut entries, mut clusters) = (Vec::new(), 0, 0);
                    for index in 0..count {
                        let Some(part) = plan.part(index, count) else { continue };
                        assert_eq!(part.output.start, output.len(), "{options:?}");
                        let (q, k, v) = (&inputs.q[part.q], &inputs.k[part.k], &inputs.v[part.v]);
                        let mut run = Run::part(plan.clone(), index, count, Tensors { q, k, v }).unwrap();
                        while !run.is_done() {
                            run.step().unwrap();
                        }
                        let (rows, stats) = run.finish();
                        output.extend(rows.data);
                        entries += stats.support_entries;
                        clusters += stats.clusters;
                    }
                    assert_eq!(output, wanted.data, "{count} parts, {options:?}");
                    assert_eq!((entries, clusters), (stats.support_entries, stats.clusters), "{options:?}");
                }
            }
        }
    }
}

#[test]
fn parts_take_about_the_same_work() {
    let options = |method, causal| Options { method, causal, ..Options::default() };
    let one = Shape { batch: 1, heads: 1, kv_heads: 1, queries: 4096, keys: 4096, ..shape() };
    let rows = |shape, method, causal, count| -> Vec<_> {
        let plan = Plan::new(shape, &options(method, causal)).unwrap();
        (0..count).filter_map(|index| plan.part(index, count)).map(|part| part.rows).collect()
    };
    assert_eq!(rows(one, Method::Exact, false, 4), [0..1024, 1024..2048, 2048..3072, 3072..4096]);
    // 2880² is half of 4096², but for one part in 90.
    assert_eq!(rows(one, Method::Exact, true, 2), [0..2880, 2880..4096]);
    assert_eq!(rows(Shape { heads: 3, ..one }, Method::Exact, false, 2), [0..6144, 6144..12288]);
    assert_eq!(rows(Shape { heads: 5, ..one }, Method::Sparse, false, 2), [0..12288, 12288..20480]);
    let whole = 0..4096;
    assert_eq!(rows(one, Method::Scatterbrain, true, 4), [whole]);
    assert_eq!(rows(Shape { queries: 65, ..one }, Method::Exact, false, 64), [0..64, 64..65]);
    let most = Shape { heads: 1 << 30, kv_heads: 1 << 30, queries: 1, dim: 1, value_dim: 1, keys: 1, ..one };
    let plan = Plan::new(most, &options(Method::Exact, false)).unwrap();
    assert_eq!(plan.part((1 << 30) - 1, 1 << 30).unwrap().rows, (1 << 30) - 1..1 << 30);
}

#[test]
fn parts_that_are_not_there_are_refused() {
    let plan = Plan::new(shape(), &Options::default()).unwrap();
    let none = Tensors { q: &[0.0; 0][..], k: &[], v: &[] };
    assert_eq!(plan.part(2, 2), None);
    assert_eq!(plan.part(0, usize::MAX), None);
    assert_eq!(Run::part(plan.clone(), 1, 0, none).err().unwrap().code(), "InvalidOption");
    let empty = (0..64).find(|&index| plan.part(index, 64).is_none()).unwrap();
    assert_eq!(Run::part(plan.clone(), empty, 64, none).err().unwrap().code(), "InvalidOption");
    assert_eq!(Run::part(plan.clone(), 0, 2, none).err().unwrap().code(), "InvalidShape");
    // A value that is not finite has the index that the caller knows.
    let Inputs { mut q, k, v, .. } = Inputs::normal(shape(), 1.0, 1);
    q[3000] = f32::NAN;
    let part = plan.part(1, 2).unwrap();
    let inputs = Tensors { q: &q[part.q], k: &k[part.k], v: &v[part.v] };
    let error = Run::part(plan, 1, 2, inputs).err().unwrap();
    assert!(error.to_string().contains("[3000]"), "{error}");
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
        let plan = Plan::new(shape(), &options).unwrap();
        let mut run = Run::new(plan, Tensors { q: &inputs.q[..], k: &inputs.k[..], v: &inputs.v[..] }).unwrap();
        while !run.is_done() {
            run.step().unwrap();
        }
        let (_, stats) = run.finish();
        let sum: f64 = stats.phases.iter().map(|phase| phase.milliseconds).sum();
        assert!(stats.phases.iter().all(|phase| phase.milliseconds >= 0.0 && !phase.name.is_empty()));
        assert!(sum > 0.0 && sum <= stats.milliseconds * 1.001 + 1e-6, "{sum} of {} ms", stats.milliseconds);
    }
}
