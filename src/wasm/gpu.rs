//! The job of the module that is fetched for WebGPU.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use futures_channel::oneshot;
use js_sys::{Float32Array, Promise};
use wasm_bindgen::prelude::*;

use super::arrays::floats;
use super::options::{self, Axes};
use super::{Result, results};
use crate::error::Error;
use crate::gpu::{Gpu, GpuRun, GpuSweep};
use crate::{Inputs, Plan};

/// A device that computes rightly. Freeing it does not destroy it.
#[wasm_bindgen]
pub struct Device(Gpu);

#[wasm_bindgen]
impl Device {
    /// Whether it went away, and will not come back.
    #[wasm_bindgen(js_name = isLost)]
    pub fn is_lost(&self) -> bool {
        self.0.is_lost()
    }

    /// Ends it, and with it what jobs are doing there.
    pub fn destroy(&self) {
        self.0.destroy();
    }
}

/// Something under way on the device.
#[wasm_bindgen]
pub struct GpuJob(State);

enum State {
    Idle(Work),
    /// The device has been asked for something.
    Busy(Pending<(Work, crate::Result<()>)>),
    Finished,
}

enum Work {
    /// Looking for a device.
    Open(Option<Gpu>),
    Attention(Box<GpuRun>),
    Sweep(Box<GpuSweep>),
}

#[wasm_bindgen]
impl GpuJob {
    /// Starts looking for a device, which is checked.
    pub fn open() -> GpuJob {
        GpuJob::new(Work::Open(None))
    }

    /// Starts an attention call. `options` are the call's, without the tensors.
    pub fn attention(
        device: &Device,
        q: &Float32Array,
        k: &Float32Array,
        v: &Float32Array,
        options: &JsValue,
    ) -> Result<GpuJob> {
        let (shape, options) = options::call(options)?;
        let run = GpuRun::new(&device.0, Plan::new(shape, &options)?, inputs(q, k, v)?)?;
        Ok(GpuJob::new(Work::Attention(Box::new(run))))
    }

    /// Starts a sweep over temperatures and methods.
    pub fn sweep(
        device: &Device,
        q: &Float32Array,
        k: &Float32Array,
        v: &Float32Array,
        options: &JsValue,
    ) -> Result<GpuJob> {
        let (shape, options, Axes { temperatures, methods }) = options::sweep(options)?;
        let sweep = GpuSweep::new(&device.0, shape, &options, &temperatures, &methods, inputs(q, k, v)?)?;
        Ok(GpuJob::new(Work::Sweep(Box::new(sweep))))
    }

    /// Goes on until the device has to be waited for, or one piece of work is done. Returns the share that is done, which is 1
    /// only at the end, or a promise that is settled when it is worth calling again.
    ///
    /// JavaScript asks again and again, where a promise of the result would do, so that a trap is thrown at the one who asks; in
    /// a promise nobody would hear of it.
    pub fn step(&mut self) -> Result<JsValue> {
        let mut pending = match std::mem::replace(&mut self.0, State::Finished) {
            State::Idle(mut work) => Pending::new(async move {
                let done = work.step().await;
                (work, done)
            }),
            State::Busy(pending) => pending,
            State::Finished => return Ok(1.0.into()),
        };
        match pending.poll() {
            Ok((work, done)) => {
                done?;
                let fraction = work.fraction();
                self.0 = State::Idle(work);
                Ok(fraction.into())
            }
            Err(promise) => {
                self.0 = State::Busy(pending);
                Ok(promise.into())
            }
        }
    }

    /// Hands over the result of work that is done, once.
    pub fn finish(&mut self) -> Result<JsValue> {
        match std::mem::replace(&mut self.0, State::Finished) {
            State::Idle(work) if work.is_done() => work.finish(),
            _ => Err(Error::unsupported("this finish()", "there is no result yet, or it was handed over already"))?,
        }
    }
}

impl GpuJob {
    fn new(work: Work) -> GpuJob {
        GpuJob(State::Idle(work))
    }
}

impl Work {
    async fn step(&mut self) -> crate::Result<()> {
        match self {
            Work::Open(gpu) => *gpu = Some(Gpu::open().await?),
            Work::Attention(run) => run.step().await?,
            Work::Sweep(run) => run.step().await?,
        }
        Ok(())
    }

    fn is_done(&self) -> bool {
        match self {
            Work::Open(gpu) => gpu.is_some(),
            Work::Attention(run) => run.is_done(),
            Work::Sweep(run) => run.is_done(),
        }
    }

    /// 1 only when done.
    fn fraction(&self) -> f64 {
        let fraction = match self {
            _ if self.is_done() => return 1.0,
            Work::Open(_) => 0.0,
            Work::Attention(run) => run.fraction(),
            Work::Sweep(run) => run.fraction(),
        };
        fraction.min(1.0 - f64::EPSILON)
    }

    fn finish(self) -> Result<JsValue> {
        match self {
            Work::Open(gpu) => Ok(gpu.map(Device).into()),
            Work::Attention(run) => results::attention(run.finish()),
            Work::Sweep(run) => Ok(results::curve(&run.finish())),
        }
    }
}

fn inputs(q: &Float32Array, k: &Float32Array, v: &Float32Array) -> Result<Inputs<Vec<f32>>> {
    Ok(Inputs { q: floats("q", q)?, k: floats("k", k)?, v: floats("v", v)? })
}

/// Something that is waited for by asking.
struct Pending<T>(Pin<Box<dyn Future<Output = T>>>);

impl<T> Pending<T> {
    fn new(future: impl Future<Output = T> + 'static) -> Pending<T> {
        Pending(Box::pin(future))
    }

    /// What it came to, or a promise that is settled when it has come on.
    fn poll(&mut self) -> std::result::Result<T, Promise> {
        let (ring, rung) = oneshot::channel();
        let waker = Waker::from(Arc::new(Bell(Mutex::new(Some(ring)))));
        match self.0.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(result) => Ok(result),
            Poll::Pending => Err(wasm_bindgen_futures::future_to_promise(async {
                // A bell that nobody holds any more is as good as rung.
                let _ = rung.await;
                Ok(JsValue::UNDEFINED)
            })),
        }
    }
}

/// Rings once.
struct Bell(Mutex<Option<oneshot::Sender<()>>>);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        let ring = self.0.lock().unwrap_or_else(|e| e.into_inner()).take();
        // Whoever listened may have gone.
        let _ = ring.map(|ring| ring.send(()));
    }
}
