//! The device, and what can go wrong with it.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use crate::error::{Error, Result};
use crate::gpu::buffers::Pool;
use crate::gpu::pipelines::Pipelines;
use crate::gpu::probe;
use crate::gpu::stage::Pace;

/// A GPU that was found to compute rightly. Cheap to clone; all clones share buffers and compiled shaders.
#[derive(Clone)]
pub struct Gpu(Rc<Shared>);

struct Shared {
    device: wgpu::Device,
    queue: wgpu::Queue,
    info: wgpu::AdapterInfo,
    pool: Pool,
    pipelines: RefCell<Pipelines>,
    pace: Cell<Pace>,
    failure: Arc<Mutex<Option<Failure>>>,
}

/// What happened outside any call's error scopes.
#[derive(Clone)]
enum Failure {
    Lost(String),
    Other(String),
}

impl Gpu {
    /// Asks for the adapter with the most power and a device with WebGPU's default limits, and checks on a small probe that
    /// it computes what the processor does.
    ///
    /// # Errors
    /// [`Error::NoDevice`], with the reason.
    pub async fn open() -> Result<Gpu> {
        let backends =
            if cfg!(target_arch = "wasm32") { wgpu::Backends::BROWSER_WEBGPU } else { wgpu::Backends::VULKAN };
        let descriptor =
            wgpu::InstanceDescriptor { backends, ..wgpu::InstanceDescriptor::new_without_display_handle() };
        let instance = wgpu::Instance::new(descriptor);
        let options = wgpu::RequestAdapterOptions {
            power_preference: wgpu::PowerPreference::HighPerformance,
            ..Default::default()
        };
        let adapter =
            instance.request_adapter(&options).await.map_err(|error| Error::no_device("there is no adapter", error))?;
        let limits = wgpu::Limits::default();
        let mut missing = None;
        limits.check_limits_with_fail_fn(&adapter.limits(), true, |name, wanted, allowed| {
            missing = Some(format!("{name} of {wanted} is wanted and {allowed} is there"));
        });
        if let Some(missing) = missing {
            return Err(Error::no_device("the adapter has less than WebGPU's default limits", missing));
        }
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("scatterbrain"),
            required_features: adapter.features() & wgpu::Features::TIMESTAMP_QUERY,
            required_limits: limits,
            ..Default::default()
        };
        let (device, queue) = adapter
            .request_device(&descriptor)
            .await
            .map_err(|error| Error::no_device("the device was refused", error))?;
        let gpu = Gpu::with_device(device, queue, adapter.get_info());
        probe::check(&gpu).await?;
        Ok(gpu)
    }

    /// On a device that the caller made, which is not checked.
    pub fn with_device(device: wgpu::Device, queue: wgpu::Queue, info: wgpu::AdapterInfo) -> Gpu {
        let failure = Arc::new(Mutex::new(None));
        let lost = failure.clone();
        device.set_device_lost_callback(move |_, message| note(&lost, Failure::Lost(message)));
        let other = failure.clone();
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| note(&other, Failure::Other(error.to_string()))));
        let pool = Pool::new(device.clone());
        Gpu(Rc::new(Shared {
            device,
            queue,
            info,
            pool,
            pipelines: RefCell::default(),
            pace: Cell::default(),
            failure,
        }))
    }

    /// The adapter's name, or where a browser keeps that to itself what it says instead.
    pub fn adapter(&self) -> String {
        let info = &self.0.info;
        let first = [&info.name, &info.driver_info, &info.driver].into_iter().find(|text| !text.is_empty());
        first.map_or("unnamed", |text| text).to_string()
    }

    /// The driver and its version, as far as they are known.
    pub fn driver(&self) -> String {
        format!("{} {}", self.0.info.driver, self.0.info.driver_info).trim().to_string()
    }

    /// Whether the device is still there: one that was lost does not come back, and [`open`](Gpu::open) may find another.
    pub fn is_lost(&self) -> bool {
        matches!(&*self.0.failure.lock().unwrap_or_else(|e| e.into_inner()), Some(Failure::Lost(_)))
    }

    /// Bytes of the buffers that calls have taken, or have left for the next ones.
    pub fn buffer_bytes(&self) -> u64 {
        self.0.pool.bytes()
    }

    /// Frees what calls have left for the next ones, and the device with it.
    pub fn destroy(&self) {
        self.0.pool.clear();
        self.0.device.destroy();
    }

    pub(crate) fn device(&self) -> &wgpu::Device {
        &self.0.device
    }

    pub(crate) fn queue(&self) -> &wgpu::Queue {
        &self.0.queue
    }

    pub(super) fn pool(&self) -> &Pool {
        &self.0.pool
    }

    pub(super) fn pipelines(&self) -> &RefCell<Pipelines> {
        &self.0.pipelines
    }

    /// How much work a submission should be, as far as calls have learnt.
    pub(super) fn pace(&self) -> Pace {
        self.0.pace.get()
    }

    pub(super) fn set_pace(&self, pace: Pace) {
        self.0.pace.set(pace);
    }

    /// The most bytes of a buffer.
    pub(super) fn buffer_limit(&self) -> u64 {
        let limits = self.0.device.limits();
        limits.max_storage_buffer_binding_size.min(limits.max_buffer_size)
    }

    /// Natively, until the device has done what was submitted; what waits for it then finds it done. In a page promises do that.
    pub(super) fn wait(&self) {
        // An error is a device that is gone, which is asked about by those who wait.
        let _ = self.0.device.poll(wgpu::PollType::wait_indefinitely());
    }

    pub(super) fn query_set(&self, count: u32) -> wgpu::QuerySet {
        let ty = wgpu::QueryType::Timestamp;
        self.0.device.create_query_set(&wgpu::QuerySetDescriptor { label: Some("timestamps"), ty, count })
    }

    pub(super) fn has_timestamps(&self) -> bool {
        self.0.device.features().contains(wgpu::Features::TIMESTAMP_QUERY)
    }

    /// An error if something has gone wrong since this was last asked.
    pub(super) fn check(&self) -> Result<()> {
        let mut failure = self.0.failure.lock().unwrap_or_else(|e| e.into_inner());
        match failure.clone() {
            Some(Failure::Lost(why)) => Err(Error::DeviceLost { why }),
            Some(Failure::Other(why)) => {
                *failure = None;
                Err(Error::DeviceFailed { why })
            }
            None => Ok(()),
        }
    }

    /// Does `work` on the device, and says, once the device has got there, whether it could be done.
    pub(super) fn scoped<T>(
        &self,
        work: impl FnOnce() -> Result<T>,
    ) -> Result<(T, impl Future<Output = Result<()>> + 'static)> {
        use wgpu::ErrorFilter::{Internal, OutOfMemory, Validation};
        let scopes = [Internal, OutOfMemory, Validation].map(|filter| self.0.device.push_error_scope(filter));
        let done = work();
        let [internal, memory, validation] = scopes;
        let (validation, memory, internal) = (validation.pop(), memory.pop(), internal.pop());
        let gpu = self.clone();
        let verdict = async move {
            let errors = [validation.await, memory.await, internal.await];
            if errors.iter().any(Option::is_some) {
                // For the news of a device that was lost, which makes all else fail.
                gpu.wait();
            }
            let bytes = gpu.pool().bytes();
            let verdict = gpu.check().and_then(|()| match errors.into_iter().flatten().next() {
                Some(wgpu::Error::OutOfMemory { .. }) => Err(Error::OutOfMemory { what: "the GPU", bytes }),
                Some(error) => Err(Error::DeviceFailed { why: error.to_string() }),
                None => Ok(()),
            });
            if verdict.is_err() {
                // What was made since may be the thing that could not be made.
                gpu.pool().distrust();
                gpu.pipelines().take();
            }
            verdict
        };
        Ok((done?, verdict))
    }
}

/// Of several, the loss of the device, or else the first.
fn note(slot: &Mutex<Option<Failure>>, failure: Failure) {
    let mut slot = slot.lock().unwrap_or_else(|e| e.into_inner());
    match (&*slot, &failure) {
        (None, _) | (Some(Failure::Other(_)), Failure::Lost(_)) => *slot = Some(failure),
        _ => {}
    }
}

/// Waits for what a [`Gpu`] does, for callers without an executor. In a page, where waiting stops what is waited for, it is the
/// page's promises that wait.
#[cfg(not(target_arch = "wasm32"))]
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    pollster::block_on(future)
}
