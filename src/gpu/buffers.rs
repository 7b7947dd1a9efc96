//! Buffers that are reused from call to call.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use futures_channel::oneshot;
use wgpu::BufferUsages;

/// Bytes of buffers that are kept though nobody uses them.
const KEPT: u64 = 256 << 20;

/// What a buffer is for.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Use {
    Storage,
    Uniform,
    /// What the processor reads.
    Read,
    /// What timestamps are written to.
    Resolve,
}

/// Gives buffers out and takes them back.
#[derive(Clone)]
pub(super) struct Pool(Rc<RefCell<Stock>>, wgpu::Device);

#[derive(Default)]
struct Stock {
    /// The one used longest ago first.
    idle: Vec<(Use, wgpu::Buffer)>,
    /// Bytes of all buffers that there are.
    bytes: u64,
    /// Counts errors. A buffer that was there when one came up may be the one that could not be had.
    errors: usize,
}

/// A buffer that goes back to its pool when it is dropped.
pub(super) struct Pooled {
    pub buffer: wgpu::Buffer,
    kind: Use,
    pool: Pool,
    /// As it was in the pool when this was taken.
    errors: usize,
    /// The processor has it, or has asked for it.
    mapped: Cell<bool>,
}

/// Whether a buffer could be mapped.
pub(super) type Mapped = oneshot::Receiver<Result<(), wgpu::BufferAsyncError>>;

impl Pool {
    pub fn new(device: wgpu::Device) -> Pool {
        Pool(Rc::default(), device)
    }

    /// At least so many bytes. What they hold is whatever the last user left.
    pub fn take(&self, label: &'static str, kind: Use, bytes: u64) -> Pooled {
        let size = size_class(bytes);
        let mut stock = self.0.borrow_mut();
        let fits = |(own, buffer): &(Use, wgpu::Buffer)| *own == kind && buffer.size() == size;
        let buffer = match stock.idle.iter().rposition(fits) {
            Some(place) => stock.idle.remove(place).1,
            None => {
                stock.bytes += size;
                self.1.create_buffer(&wgpu::BufferDescriptor {
                    label: Some(label),
                    size,
                    usage: kind.usage(),
                    mapped_at_creation: false,
                })
            }
        };
        Pooled { buffer, kind, pool: self.clone(), errors: stock.errors, mapped: Cell::new(false) }
    }

    /// Bytes of all buffers that there are.
    pub fn bytes(&self) -> u64 {
        self.0.borrow().bytes
    }

    /// Frees what nobody uses.
    pub fn clear(&self) {
        self.shrink(0);
    }

    /// After an error: no buffer that there is now is used again.
    pub fn distrust(&self) {
        self.0.borrow_mut().errors += 1;
        self.clear();
    }

    fn shrink(&self, limit: u64) {
        let mut stock = self.0.borrow_mut();
        let mut idle: u64 = stock.idle.iter().map(|(_, buffer)| buffer.size()).sum();
        while idle > limit && !stock.idle.is_empty() {
            let (_, buffer) = stock.idle.remove(0);
            idle -= buffer.size();
            stock.bytes -= buffer.size();
            buffer.destroy();
        }
    }
}

impl Pooled {
    /// Asks for the first `bytes`.
    pub fn map(&self, bytes: u64) -> Mapped {
        let (send, receive) = oneshot::channel();
        self.mapped.set(true);
        self.buffer.map_async(wgpu::MapMode::Read, 0..bytes, move |result| {
            // Whoever asked may have gone.
            let _ = send.send(result);
        });
        receive
    }

    /// The first `bytes`, once they were mapped. In words, for their alignment.
    pub fn copy_mapped(&self, bytes: u64) -> Result<Vec<u64>, wgpu::MapRangeError> {
        let mut copy = vec![0u64; bytes.div_ceil(8) as usize];
        {
            let view = self.buffer.get_mapped_range(0..bytes)?;
            bytemuck::cast_slice_mut(&mut copy)[..bytes as usize].copy_from_slice(&view);
        }
        self.buffer.unmap();
        self.mapped.set(false);
        Ok(copy)
    }
}

impl Drop for Pooled {
    fn drop(&mut self) {
        let mut stock = self.pool.0.borrow_mut();
        if self.mapped.get() || self.errors != stock.errors {
            // A call was given up while it waited for this, or it may be what could not be made: no other can use it.
            stock.bytes -= self.buffer.size();
            self.buffer.destroy();
            return;
        }
        stock.idle.push((self.kind, self.buffer.clone()));
        drop(stock);
        self.pool.shrink(KEPT);
    }
}

impl Use {
    fn usage(self) -> BufferUsages {
        match self {
            Use::Storage => BufferUsages::STORAGE | BufferUsages::COPY_DST | BufferUsages::COPY_SRC,
            Use::Uniform => BufferUsages::UNIFORM | BufferUsages::COPY_DST,
            Use::Read => BufferUsages::MAP_READ | BufferUsages::COPY_DST,
            Use::Resolve => BufferUsages::QUERY_RESOLVE | BufferUsages::COPY_SRC,
        }
    }
}

/// The next of 256, 320, 384, 448, 512, 640 ... bytes: few sizes, so that buffers fit again, and little waste.
fn size_class(bytes: u64) -> u64 {
    let quarter = (bytes.max(256).next_power_of_two() / 8).max(64);
    bytes.max(256).next_multiple_of(quarter)
}

#[cfg(test)]
mod tests {
    use super::size_class;

    #[test]
    fn size_classes_are_few_and_waste_at_most_a_quarter() {
        let mut classes: Vec<u64> = (1..1 << 16).map(size_class).collect();
        for (bytes, &class) in (1u64..).zip(&classes) {
            assert!(
                class >= bytes && class % 64 == 0 && (class <= 256 || class * 4 <= bytes * 5 + 256),
                "{bytes}: {class}"
            );
            assert_eq!(size_class(class), class);
        }
        classes.dedup();
        assert!(classes.len() < 40, "{}", classes.len());
        // The largest binding that WebGPU's default limits allow is a class of its own.
        assert_eq!(size_class(128 << 20), 128 << 20);
    }
}
