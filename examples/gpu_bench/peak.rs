//! How many multiply-adds a second the device does when it does nothing else.

use scatterbrain::gpu::block_on;

const THREADS: u64 = 256;
const WORKGROUPS: u32 = 8192;
/// Of a turn of the shader's loop, a thread.
const PER_TURN: u64 = 8 * 4;

/// Multiply-adds a second: the best of some dispatches, each of which takes some milliseconds by the device's own clock.
pub fn measure(device: &wgpu::Device, queue: &wgpu::Queue) -> f64 {
    let mut best: f64 = 0.0;
    let mut turns = 16;
    for _ in 0..12 {
        let seconds = seconds(device, queue, turns);
        best = best.max((turns * PER_TURN * THREADS * u64::from(WORKGROUPS)) as f64 / seconds);
        if seconds < 0.01 && turns < 1 << 16 {
            turns *= 4;
        }
    }
    best
}

fn seconds(device: &wgpu::Device, queue: &wgpu::Queue, turns: u64) -> f64 {
    let module = device.create_shader_module(wgpu::include_wgsl!("peak.wgsl"));
    let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: Some("peak"),
        layout: None,
        module: &module,
        entry_point: Some("peak"),
        compilation_options: wgpu::PipelineCompilationOptions {
            constants: &[("TURNS", turns as f64)],
            ..Default::default()
        },
        cache: None,
    });
    let buffer = |label, size, usage| {
        device.create_buffer(&wgpu::BufferDescriptor { label: Some(label), size, usage, mapped_at_creation: false })
    };
    let out = buffer("out", 1 << 20, wgpu::BufferUsages::STORAGE);
    let resolved = buffer("resolved", 16, wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC);
    let read = buffer("read", 16, wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST);
    let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
        label: Some("peak"),
        layout: &pipeline.get_bind_group_layout(0),
        entries: &[wgpu::BindGroupEntry { binding: 0, resource: out.as_entire_binding() }],
    });
    let set = device.create_query_set(&wgpu::QuerySetDescriptor {
        label: Some("times"),
        ty: wgpu::QueryType::Timestamp,
        count: 2,
    });
    let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("peak") });
    {
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
            label: Some("peak"),
            timestamp_writes: Some(wgpu::ComputePassTimestampWrites {
                query_set: &set,
                beginning_of_pass_write_index: Some(0),
                end_of_pass_write_index: Some(1),
            }),
        });
        pass.set_pipeline(&pipeline);
        pass.set_bind_group(0, &group, &[]);
        pass.dispatch_workgroups(WORKGROUPS, 1, 1);
    }
    encoder.resolve_query_set(&set, 0..2, &resolved, 0);
    encoder.copy_buffer_to_buffer(&resolved, 0, &read, 0, 16);
    queue.submit([encoder.finish()]);
    read.map_async(wgpu::MapMode::Read, .., |result| result.expect("the times can be read"));
    device.poll(wgpu::PollType::wait_indefinitely()).expect("the device answers");
    let view = read.get_mapped_range(..).expect("the times were mapped");
    let times: Vec<u64> = view.chunks_exact(8).map(|bytes| u64::from_le_bytes(bytes.try_into().unwrap())).collect();
    (times[1] - times[0]) as f64 * f64::from(queue.get_timestamp_period()) / 1e9
}

/// The device with the most power, with WebGPU's default limits and timestamps.
pub fn open() -> Result<(wgpu::Device, wgpu::Queue, wgpu::AdapterInfo), String> {
    let descriptor = wgpu::InstanceDescriptor {
        backends: wgpu::Backends::VULKAN,
        ..wgpu::InstanceDescriptor::new_without_display_handle()
    };
    let options =
        wgpu::RequestAdapterOptions { power_preference: wgpu::PowerPreference::HighPerformance, ..Default::default() };
    let adapter = block_on(wgpu::Instance::new(descriptor).request_adapter(&options)).map_err(|e| e.to_string())?;
    let descriptor = wgpu::DeviceDescriptor {
        label: Some("gpu_bench"),
        required_features: wgpu::Features::TIMESTAMP_QUERY,
        ..Default::default()
    };
    let (device, queue) = block_on(adapter.request_device(&descriptor)).map_err(|e| e.to_string())?;
    Ok((device, queue, adapter.get_info()))
}
