//! The GPU against the same reference as the processor. Needs a Vulkan driver; `scripts/test.sh` brings one that runs on the processor.

use scatterbrain::gpu::{Gpu, GpuRun, block_on};
use scatterbrain::{Inputs, Method, Options, Plan, Shape, TensorView, attention};

#[test]
fn exact_small() {
    let gpu = block_on(Gpu::open()).unwrap();
    println!("{} | {}", gpu.adapter(), gpu.driver());
    for causal in [false, true] {
    for (n, m, d, dv, h, kv) in [(1, 1, 1, 1, 1, 1), (67, 67, 16, 16, 2, 1), (130, 70, 64, 64, 1, 1), (33, 257, 20, 200, 4, 2)] {
        let shape = Shape { batch: 2, heads: h, queries: n, keys: m, dim: d, value_dim: dv, kv_heads: kv };
        let f = |i: usize| ((i as f32) * 0.37).sin();
        let q: Vec<f32> = (0..shape.q_len()).map(f).collect();
        let k: Vec<f32> = (0..shape.k_len()).map(|i| f(i + 12345)).collect();
        let v: Vec<f32> = (0..shape.v_len()).map(|i| f(i + 777)).collect();
        let o = Options { method: Method::Exact, causal, key_lengths: Some(vec![m, m / 2]), ..Options::default() };
        let want = attention(
            TensorView::new(&q, [2, h, n, d]),
            TensorView::new(&k, [2, kv, m, d]),
            TensorView::new(&v, [2, kv, m, dv]),
            &o,
        )
        .unwrap();
        let mut run = GpuRun::new(&gpu, Plan::new(shape, &o).unwrap(), Inputs { q, k, v }).unwrap();
        while !run.is_done() {
            block_on(run.step()).unwrap();
        }
        let (got, stats) = run.finish();
        let off = got.data.iter().zip(&want.data).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        println!("{shape:?} {off:e} {:?}", stats.phases);
        assert!(off < 1e-5);
    }
    }
}
