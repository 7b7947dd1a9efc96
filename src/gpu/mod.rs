//! The same plans on a GPU: WebGPU in a page, Vulkan natively, through `wgpu`.
//!
//! [`Gpu::open`] finds a device and checks that it computes rightly; [`GpuRun`] carries out a plan on it, and [`GpuSweep`] several. What stays on the
//! processor is what is small or draws random numbers: scaling the inputs, the directions of features and hashes, which
//! are therefore those of the processor for the same seed, and the tree of clusters. Projections, hashes, features, logits,
//! softmax and all that grows with queries times keys are shaders, each a file in `shaders/`.
//!
//! # How a call is cut
//!
//! Heads are taken in groups whose tensors fit into the device's buffers. A group is a list of stages: a shader, what it
//! reads and writes, and how many workgroups it takes. [`GpuRun::step`] submits some milliseconds of them, which it learns from
//! the time that the ones before took, so that no dispatch runs long on any device, a page stays responsive, and a call can
//! be cancelled between steps.

mod buffers;
mod clusters;
mod device;
mod exact;
mod group;
mod hash;
mod low_rank;
mod pipelines;
mod probe;
mod run;
mod stage;
mod support;
mod sweep;

pub use device::Gpu;
#[cfg(not(target_arch = "wasm32"))]
pub use device::block_on;
pub use run::GpuRun;
pub use sweep::GpuSweep;
