//! Exact attention and scatterbrain on the GPU, beside the multiply-adds that the device can do at all:
//!
//! ```sh
//! cargo run --release --example gpu_bench --features webgpu            # 16 heads of 16,384 tokens
//! cargo run --release --example gpu_bench --features webgpu -- 4096 8  # 8 heads of 4,096
//! ```
//!
//! Times are the device's own, from timestamps, medians over some calls. A driver that runs on the processor gets a small size
//! unless one is given.

mod peak;

use std::process::ExitCode;

use scatterbrain::gpu::{Gpu, GpuRun, block_on};
use scatterbrain::{Features, Inputs, Method, Options, Plan, Shape, Stats, Support};

const DIM: usize = 64;
const BUDGET: f64 = 0.0625;
const CALLS: usize = 5;

fn main() -> ExitCode {
    let numbers: Result<Vec<usize>, _> = std::env::args().skip(1).map(|text| text.parse()).collect();
    let Ok(numbers) = numbers else {
        eprintln!("Usage: gpu_bench [TOKENS [HEADS]]");
        return ExitCode::FAILURE;
    };
    let (device, queue, info) = match peak::open() {
        Ok(opened) => opened,
        Err(why) => {
            eprintln!("There is no GPU to measure: {why}");
            return ExitCode::FAILURE;
        }
    };
    let on_processor = info.device_type == wgpu::DeviceType::Cpu;
    let tokens = numbers.first().copied().unwrap_or(if on_processor { 1024 } else { 16_384 });
    let heads = numbers.get(1).copied().unwrap_or(if on_processor { 1 } else { 16 });
    println!("adapter: {} ({:?})", info.name, info.device_type);
    println!("driver: {} {}", info.driver, info.driver_info);
    let peak = peak::measure(&device, &queue);
    println!("multiply-adds in registers: {:.3} · 10¹² a second", peak / 1e12);
    let gpu = Gpu::with_device(device, queue, info);

    let shape = Shape { batch: 1, heads, queries: tokens, keys: tokens, dim: DIM, value_dim: DIM, kv_heads: heads };
    println!("\n{heads} heads of {tokens} tokens, dim {DIM}\n");
    println!("| | ms | of the peak | exact to it |\n|---|---|---|---|");
    let mut exact = None;
    for (name, options) in methods(tokens) {
        match time(&gpu, shape, &options) {
            Ok(milliseconds) => {
                let exact = *exact.get_or_insert(milliseconds);
                let products = 2.0 * (heads * tokens * tokens * DIM) as f64;
                let share = products / (milliseconds / 1e3) / peak;
                let share =
                    if options.method == Method::Exact { format!("{:.1} %", 100.0 * share) } else { "–".into() };
                println!("| {name} | {milliseconds:.2} | {share} | {:.2} |", exact / milliseconds);
            }
            Err(error) => println!("| {name} | {error} | – | – |"),
        }
    }
    ExitCode::SUCCESS
}

fn methods(tokens: usize) -> [(&'static str, Options); 4] {
    let favor = Features::Favor { count: Some(64), hyperbolic: false, center: false, balance: false };
    let entries = (BUDGET * tokens as f64) as usize;
    let cluster = Some((entries.saturating_sub(64) / 2).max(1));
    [
        ("exact", Options { method: Method::Exact, ..Options::default() }),
        ("default, 6.25 %", Options { method: Method::Scatterbrain, budget: Some(BUDGET), ..Options::default() }),
        (
            "SMYRF + FAVOR+, 6.25 %",
            Options {
                method: Method::Scatterbrain,
                support: Some(Support::Smyrf { cluster, rounds: Some(2) }),
                features: Some(favor.clone()),
                ..Options::default()
            },
        ),
        ("FAVOR+, 64 features", Options { method: Method::LowRank, features: Some(favor), ..Options::default() }),
    ]
}

/// Milliseconds of the device, a median; the first call, which compiles shaders, does not count.
fn time(gpu: &Gpu, shape: Shape, options: &Options) -> scatterbrain::Result<f64> {
    let number = |i: usize| ((i as u32).wrapping_mul(2_654_435_761) >> 8) as f32 / (1 << 23) as f32 - 1.0;
    let mut times = Vec::new();
    for call in 0..=CALLS {
        let tensor = |from: usize, len: usize| (from..from + len).map(number).collect();
        let inputs =
            Inputs { q: tensor(0, shape.q_len()), k: tensor(7919, shape.k_len()), v: tensor(104_729, shape.v_len()) };
        let mut run = GpuRun::new(gpu, Plan::new(shape, options)?, inputs)?;
        while !run.is_done() {
            block_on(run.step())?;
        }
        if call > 0 {
            times.push(on_device(&run.finish().1));
        }
    }
    times.sort_by(f64::total_cmp);
    Ok(times[times.len() / 2])
}

/// All but what the processor does.
fn on_device(stats: &Stats) -> f64 {
    stats.phases.iter().filter(|phase| phase.name != "prepare").map(|phase| phase.milliseconds).sum()
}
