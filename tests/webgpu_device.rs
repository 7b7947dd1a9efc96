//! What can go wrong with a device, and what calls leave behind.

use scatterbrain::gpu::{Gpu, GpuRun, block_on};
use scatterbrain::{Error, Inputs, Method, Options, Plan, Shape, Support};

const SHAPE: Shape = Shape { batch: 1, heads: 2, queries: 70, keys: 70, dim: 8, value_dim: 8, kv_heads: 2 };

fn gpu() -> Gpu {
    block_on(Gpu::open()).unwrap()
}

fn inputs(shape: Shape) -> Inputs<Vec<f32>> {
    let numbers = |len: usize, step: f32| (0..len).map(|i| (i as f32 * step).sin()).collect();
    Inputs { q: numbers(shape.q_len(), 0.37), k: numbers(shape.k_len(), 0.73), v: numbers(shape.v_len(), 1.1) }
}

/// Causal, as the check of a new device is: each has one shader to compile.
fn exact() -> Options {
    Options { method: Method::Exact, causal: true, ..Options::default() }
}

fn start(gpu: &Gpu, shape: Shape) -> GpuRun {
    GpuRun::new(gpu, Plan::new(shape, &exact()).unwrap(), inputs(shape)).unwrap()
}

fn finish(mut run: GpuRun) -> Result<Vec<f32>, Error> {
    while !run.is_done() {
        block_on(run.step())?;
    }
    Ok(run.finish().0.data)
}

#[test]
fn a_lost_device_is_an_error_of_every_call_and_a_new_one_works() {
    let gpu = gpu();
    let wanted = finish(start(&gpu, SHAPE)).unwrap();
    let mut run = start(&gpu, SHAPE);
    block_on(run.step()).unwrap();
    gpu.destroy();
    assert!(matches!(finish(run), Err(Error::DeviceLost { .. })));
    assert!(gpu.is_lost());
    let refused = GpuRun::new(&gpu, Plan::new(SHAPE, &exact()).unwrap(), inputs(SHAPE));
    assert_eq!(refused.err().map(|error| error.code()), Some("DeviceLost"));
    assert_eq!(finish(start(&self::gpu(), SHAPE)).unwrap(), wanted);
}

#[test]
fn a_call_that_is_dropped_midway_leaves_the_device_usable() {
    let gpu = gpu();
    let wanted = finish(start(&gpu, SHAPE)).unwrap();
    for steps in 0..4 {
        let mut run = start(&gpu, SHAPE);
        (0..steps).for_each(|_| block_on(run.step()).unwrap());
        drop(run);
        assert_eq!(finish(start(&gpu, SHAPE)).unwrap(), wanted, "after {steps} steps");
    }
}

#[test]
fn calls_in_turns_on_one_device_do_not_disturb_each_other() {
    let gpu = gpu();
    let other = Shape { queries: 33, keys: 90, dim: 5, ..SHAPE };
    let wanted = [finish(start(&gpu, SHAPE)).unwrap(), finish(start(&gpu, other)).unwrap()];
    let mut runs = [start(&gpu, SHAPE), start(&gpu, other)];
    while runs.iter().any(|run| !run.is_done()) {
        runs.iter_mut().for_each(|run| block_on(run.step()).unwrap());
    }
    assert_eq!(runs.map(|run| run.finish().0.data), wanted);
}

#[test]
fn buffers_are_reused_from_call_to_call() {
    let gpu = gpu();
    let small = Shape { queries: 5, keys: 6, ..SHAPE };
    let wanted = finish(start(&gpu, small)).unwrap();
    let bytes = gpu.buffer_bytes();
    for _ in 0..200 {
        assert_eq!(finish(start(&gpu, small)).unwrap(), wanted);
    }
    assert_eq!(gpu.buffer_bytes(), bytes);
    gpu.destroy();
    assert_eq!(gpu.buffer_bytes(), 0);
}

#[test]
fn what_the_device_cannot_do_is_said_before_anything_is_computed() {
    let gpu = gpu();
    let refusal = |shape: Shape, options: Options| {
        let plan = Plan::new(shape, &options).unwrap();
        GpuRun::new(&gpu, plan, inputs(shape)).err().map(|error| error.to_string()).unwrap_or_default()
    };
    let top_k = Options { support: Some(Support::TopK { count: None }), method: Method::Sparse, ..Options::default() };
    assert!(refusal(SHAPE, top_k).starts_with("support.kind \"top-k\" on the GPU is not supported"));
    // One head's queries alone exceed the largest buffer that WebGPU promises.
    let long = Shape { heads: 1, kv_heads: 1, queries: (128 << 20) / 16 + 1, keys: 1, dim: 1, value_dim: 1, ..SHAPE };
    let message = refusal(long, exact());
    assert!(message.contains("bytes where the device allows 134217728"), "{message}");
}

#[test]
fn an_empty_row_is_zero_and_its_sequence_takes_no_keys() {
    let gpu = gpu();
    let shape = Shape { batch: 2, ..SHAPE };
    let options = Options { key_lengths: Some(vec![0, 70]), ..exact() };
    let output = finish(GpuRun::new(&gpu, Plan::new(shape, &options).unwrap(), inputs(shape)).unwrap()).unwrap();
    let (empty, rest) = output.split_at(output.len() / 2);
    assert!(empty.iter().all(|&x| x == 0.0) && rest.iter().any(|&x| x != 0.0));
}
