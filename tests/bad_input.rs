//! What cannot be done is refused before anything is computed, with a stable code and the argument and value in the
//! message.

mod harness;
mod oracle;

use harness::cases::explicit;
use harness::data::{Inputs, single};
use scatterbrain::{
    Error, Features, Inputs as Tensors, MAX_DIM, Method, Options, Plan, Run, Shape, Support, TensorView, analysis,
    attention,
};

fn shape() -> Shape {
    Shape { batch: 2, heads: 4, queries: 6, keys: 8, dim: 3, value_dim: 5, kv_heads: 2 }
}

/// The call fails with this code, and its message holds all of these.
fn refuses(result: Result<impl Sized, Error>, code: &str, message: &[&str]) {
    let Err(error) = result else { panic!("a call that should fail with {code} {message:?} succeeded") };
    assert_eq!(error.code(), code, "{error}");
    let text = error.to_string();
    assert!(message.iter().all(|part| text.contains(part)), "{message:?} is not all in: {text}");
}

fn plan(options: Options) -> Result<Plan, Error> {
    Plan::new(shape(), &options)
}

#[test]
fn sizes_of_zero_or_beyond_the_limits_are_named() {
    for value in [0, usize::MAX, (1 << 30) + 1] {
        for (name, shape) in [
            ("shape.batch", Shape { batch: value, ..shape() }),
            ("shape.heads", Shape { heads: value, ..shape() }),
            ("shape.queries", Shape { queries: value, ..shape() }),
            ("shape.keys", Shape { keys: value, ..shape() }),
            ("shape.dim", Shape { dim: value, ..shape() }),
            ("shape.valueDim", Shape { value_dim: value, ..shape() }),
            ("shape.kvHeads", Shape { kv_heads: value, ..shape() }),
        ] {
            refuses(Plan::new(shape, &Options::default()), "InvalidShape", &[name, &value.to_string()]);
        }
    }
    let wide = Shape { dim: MAX_DIM + 1, ..shape() };
    refuses(Plan::new(wide, &Options::default()), "InvalidShape", &["shape.dim", "1025", "1024"]);
    let uneven = Shape { kv_heads: 3, ..shape() };
    refuses(
        Plan::new(uneven, &Options::default()),
        "InvalidShape",
        &["shape.kvHeads", "3", "divisor of shape.heads = 4"],
    );
}

#[test]
fn products_of_sizes_that_overflow_are_named() {
    let huge = Shape { batch: 1 << 30, heads: 1 << 30, queries: 1 << 30, ..shape() };
    refuses(
        Plan::new(Shape { kv_heads: 1, ..huge }, &Options::default()),
        "InvalidShape",
        &["batch * heads * queries * dim"],
    );
    let many = Shape { batch: 1 << 30, heads: 2, kv_heads: 2, keys: 1 << 30, ..shape() };
    refuses(Plan::new(many, &Options::default()), "InvalidShape", &["batch * kvHeads * keys"]);
}

#[test]
fn tensors_of_the_wrong_length_or_shape_are_named() {
    let good = Inputs::normal(shape(), 1.0, 1);
    let options = Options::default();
    let (q, k, v) = (good.q(), good.k(), good.v());
    let shorter = TensorView::new(&q.data[1..], q.shape);
    refuses(attention(shorter, k, v, &options), "InvalidShape", &["q.length", "143", "144"]);
    let shorter = TensorView::new(&k.data[1..], k.shape);
    refuses(attention(q, shorter, v, &options), "InvalidShape", &["k.length", "95", "96"]);
    let shorter = TensorView::new(&v.data[1..], v.shape);
    refuses(attention(q, k, shorter, &options), "InvalidShape", &["v.length", "159", "160"]);
    // Shapes that contradict each other.
    let other_batch = TensorView::new(k.data, [4, 1, 8, 3]);
    refuses(attention(q, other_batch, v, &options), "InvalidShape", &["k.shape", "[4, 1, 8, 3]"]);
    let other_dim = TensorView::new(k.data, [2, 2, 6, 4]);
    refuses(attention(q, other_dim, v, &options), "InvalidShape", &["k.shape", "[2, 2, 6, 4]"]);
    let other_keys = TensorView::new(v.data, [2, 2, 4, 10]);
    refuses(attention(q, k, other_keys, &options), "InvalidShape", &["v.shape", "[2, 2, 4, 10]"]);

    let plan = plan(options).unwrap();
    refuses(Run::new(plan, Tensors { q: k.data, k: k.data, v: v.data }), "InvalidShape", &["q.length", "96", "144"]);
}

#[test]
fn analyses_take_one_head() {
    let several = Inputs::normal(shape(), 1.0, 2);
    let options = Options::default();
    refuses(
        analysis::decompose(several.q(), several.k(), several.v(), &options),
        "InvalidShape",
        &["shape.batch", "2"],
    );
    let heads = Inputs::normal(Shape { batch: 1, ..shape() }, 1.0, 2);
    refuses(analysis::decompose(heads.q(), heads.k(), heads.v(), &options), "InvalidShape", &["shape.heads", "4"]);
}

#[test]
fn rows_that_are_not_there_are_named() {
    let one = Inputs::normal(single(6, 8, 3, 3), 1.0, 2);
    for (rows, shown) in [(2..2, "[2, 2]"), (4..7, "[4, 7]"), (7..9, "[7, 9]"), (0..usize::MAX, "[0, ")] {
        let seen = analysis::decompose_rows(one.q(), one.k(), one.v(), &Options::default(), rows);
        refuses(seen, "InvalidOption", &["rows", shown, "end <= 6"]);
    }
}

#[test]
fn options_out_of_range_are_named() {
    for value in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let text = value.to_string();
        refuses(plan(Options { temperature: value, ..Options::default() }), "InvalidOption", &["temperature", &text]);
        refuses(plan(Options { scale: Some(value), ..Options::default() }), "InvalidOption", &["scale", &text]);
        let fitted = Features::Optimal { count: None, center: false, balance: false, spread: Some(value) };
        refuses(
            plan(Options { features: Some(fitted), ..Options::default() }),
            "InvalidOption",
            &["features.spread", &text],
        );
    }
    for value in [0.0, -0.5, 1.5, f64::NAN] {
        let text = value.to_string();
        refuses(plan(Options { budget: Some(value), ..Options::default() }), "InvalidOption", &["budget", &text]);
        refuses(plan(Options { split: Some(value), ..Options::default() }), "InvalidOption", &["split", &text]);
    }
    refuses(plan(Options { split: Some(1.0), ..Options::default() }), "InvalidOption", &["split", "1"]);
}

#[test]
fn key_lengths_must_fit() {
    let lengths = |lengths| plan(Options { key_lengths: Some(lengths), ..Options::default() });
    refuses(lengths(vec![8]), "InvalidOption", &["keyLengths.length", "1", "shape.batch = 2"]);
    refuses(lengths(vec![8, 8, 8]), "InvalidOption", &["keyLengths.length", "3"]);
    refuses(lengths(vec![8, 9]), "InvalidOption", &["keyLengths[1]", "9", "shape.keys = 8"]);
}

#[test]
fn supports_out_of_range_are_named() {
    let support = |support| plan(Options { support: Some(support), ..Options::default() });
    refuses(support(Support::Window { size: Some(0) }), "InvalidOption", &["support.size", "0"]);
    refuses(support(Support::TopK { count: Some(0) }), "InvalidOption", &["support.count", "0"]);
    refuses(support(Support::Lsh { rounds: Some(0), chunk: None }), "InvalidOption", &["support.rounds", "0", "64"]);
    refuses(support(Support::Lsh { rounds: Some(65), chunk: None }), "InvalidOption", &["support.rounds", "65", "64"]);
    refuses(support(Support::Lsh { rounds: Some(1), chunk: Some(0) }), "InvalidOption", &["support.chunk", "0"]);
    refuses(support(Support::Smyrf { cluster: Some(0), rounds: None }), "InvalidOption", &["support.cluster", "0"]);
    refuses(support(Support::Smyrf { cluster: Some(4), rounds: Some(65) }), "InvalidOption", &["support.rounds", "65"]);
}

#[test]
fn compressed_sparse_rows_must_be_well_formed() {
    let support = |indptr: &[u32], indices: &[u32]| {
        let support = Support::Explicit { indptr: indptr.to_vec(), indices: indices.to_vec() };
        plan(Options { support: Some(support), ..Options::default() })
    };
    refuses(support(&[], &[]), "InvalidOption", &["support.indptr.length", "0", "7", "49"]);
    refuses(support(&[0; 8], &[]), "InvalidOption", &["support.indptr.length", "8"]);
    refuses(support(&[1, 1, 1, 1, 1, 1, 1], &[0]), "InvalidOption", &["support.indptr[0]", "1"]);
    refuses(support(&[0, 1, 0, 1, 1, 1, 1], &[0]), "InvalidOption", &["support.indptr[2]", "0"]);
    refuses(support(&[0, 1, 1, 1, 1, 1, 2], &[0]), "InvalidOption", &["support.indices.length", "1", "2"]);
    refuses(support(&[0, 1, 1, 1, 1, 1, 2], &[0, 8]), "InvalidOption", &["support.indices[1]", "8", "shape.keys = 8"]);
    assert!(support(&[0, 1, 1, 1, 1, 1, 2], &[0, 7]).is_ok());
}

#[test]
fn features_out_of_range_are_named() {
    let features = |features| plan(Options { features: Some(features), ..Options::default() });
    let favor =
        |count, hyperbolic| features(Features::Favor { count: Some(count), hyperbolic, center: false, balance: false });
    refuses(favor(0, false), "InvalidOption", &["features.count", "0"]);
    refuses(favor(1 << 20, false), "InvalidOption", &["features.count", "1048576"]);
    refuses(favor(7, true), "InvalidOption", &["features.count", "7", "even"]);
    let optimal = Features::Optimal { count: Some(0), center: false, balance: false, spread: None };
    refuses(features(optimal), "InvalidOption", &["features.count", "0"]);
    for order in [0, 3] {
        refuses(features(Features::Taylor { order }), "InvalidOption", &["features.order", &order.to_string()]);
    }
}

#[test]
fn methods_and_parts_that_contradict_each_other_are_refused() {
    let (support, features) = (Some(Support::Window { size: Some(2) }), Some(Features::Elu));
    let with = |method, support: &Option<Support>, features: &Option<Features>| {
        plan(Options { method, support: support.clone(), features: features.clone(), ..Options::default() })
    };
    for (method, name) in [(Method::Exact, "exact"), (Method::LowRank, "low-rank")] {
        refuses(with(method, &support, &None), "InvalidOption", &["support", name]);
    }
    for (method, name) in [(Method::Exact, "exact"), (Method::Sparse, "sparse"), (Method::Vitality, "vitality")] {
        refuses(with(method, &None, &features), "InvalidOption", &["features", name]);
    }
}

#[test]
fn what_would_reveal_the_future_is_unsupported() {
    let causal = |support, features| plan(Options { support, features, causal: true, ..Options::default() });
    for cluster in [None, Some(4), Some(0)] {
        let smyrf = Some(Support::Smyrf { cluster, rounds: None });
        refuses(causal(smyrf, None), "Unsupported", &["smyrf", "causal"]);
    }
    let centred = Features::Favor { count: Some(8), hyperbolic: false, center: true, balance: false };
    refuses(causal(None, Some(centred)), "Unsupported", &["center", "causal"]);
    let centred = Features::Optimal { count: Some(8), center: true, balance: false, spread: Some(1.0) };
    refuses(causal(None, Some(centred)), "Unsupported", &["center", "causal"]);
    let balanced = Features::Favor { count: Some(8), hyperbolic: true, center: false, balance: true };
    refuses(causal(None, Some(balanced)), "Unsupported", &["features.balance", "causal"]);
    let balanced = Features::Optimal { count: Some(8), center: false, balance: true, spread: Some(1.0) };
    refuses(causal(None, Some(balanced)), "Unsupported", &["features.balance", "causal"]);
    let fitted = Features::Optimal { count: Some(8), center: false, balance: false, spread: None };
    refuses(causal(None, Some(fitted)), "Unsupported", &["optimal", "causal", "spread"]);
}

#[test]
fn numbers_that_are_not_finite_are_named_with_their_index() {
    for (value, text) in [(f32::NAN, "NaN"), (f32::INFINITY, "Infinity"), (f32::NEG_INFINITY, "-Infinity")] {
        let good = Inputs::normal(shape(), 1.0, 3);
        // Padding too: what is in it must not matter, so it must not be able to.
        let options = Options { key_lengths: Some(vec![8, 2]), ..Options::default() };
        let run = |inputs: &Inputs| attention(inputs.q(), inputs.k(), inputs.v(), &options);
        let mut bad = good.clone();
        bad.q[5] = value;
        bad.q[100] = value;
        refuses(run(&bad), "NonFinite", &["q[5]", text]);
        let mut bad = good.clone();
        bad.k[95] = value;
        refuses(run(&bad), "NonFinite", &["k[95]", text]);
        let mut bad = good.clone();
        bad.v[0] = value;
        refuses(run(&bad), "NonFinite", &["v[0]", text]);
    }
    let mut one = Inputs::normal(single(5, 6, 3, 2), 1.0, 4);
    one.k[7] = f32::NAN;
    refuses(analysis::decompose(one.q(), one.k(), one.v(), &Options::default()), "NonFinite", &["k[7]", "NaN"]);
}

/// Four matrices of 2^24 x 2^24 entries do not fit into any address space, and the next call works.
#[test]
fn memory_that_cannot_be_had_is_an_error() {
    let data = vec![0.5f32; 1 << 24];
    let long = TensorView::head(&data, 1 << 24, 1);
    let options = Options { method: Method::Exact, ..Options::default() };
    refuses(
        analysis::decompose(long, long, long, &options),
        "OutOfMemory",
        &["matrix", &(1u64 << 50).to_string(), "bytes"],
    );
    let short = TensorView::head(&data[..64], 64, 1);
    assert!(analysis::decompose(short, short, short, &options).is_ok());
}

#[test]
fn sweeps_check_their_temperatures_and_methods() {
    let one = Inputs::normal(single(5, 6, 3, 2), 1.0, 5);
    let sweep = |temperatures: &[f64]| {
        analysis::sweep(one.q(), one.k(), one.v(), &Options::default(), temperatures, &[Method::Sparse])
    };
    refuses(sweep(&[1.0, 0.0]), "InvalidOption", &["temperature", "0"]);
    refuses(sweep(&[f64::NAN]), "InvalidOption", &["temperature", "NaN"]);
}

#[test]
fn a_refused_call_leaves_nothing_behind() {
    let inputs = Inputs::normal(single(9, 11, 4, 3), 1.0, 6);
    let options =
        Options { support: Some(explicit(9, |i| vec![i])), features: Some(Features::Elu), ..Options::default() };
    let run = |options: &Options| attention(inputs.q(), inputs.k(), inputs.v(), options);
    let before = run(&options).unwrap();
    refuses(run(&Options { temperature: 0.0, ..options.clone() }), "InvalidOption", &["temperature", "0"]);
    assert_eq!(run(&options).unwrap(), before);
}
