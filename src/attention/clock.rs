//! Where the time of a call goes.

use web_time::Instant;

/// A named part of a call's time.
#[derive(Debug, Clone)]
pub struct Phase {
    /// - `"prepare"`: scaling, packing and transposing the inputs of a head
    /// - `"project"`: feature maps of queries and keys
    /// - `"search"`: finding the support: hashing, clustering, listing the keys of a row
    /// - `"sort"`: sorting what was hashed
    /// - `"gather"`: bringing queries, keys and values that share a bucket together
    /// - `"tiles"`: logits, softmax and weighted values
    /// - `"lowRank"`: the low-rank state and what queries read from it
    pub name: &'static str,
    /// Time spent in it.
    pub milliseconds: f64,
}

/// See [`Phase`].
#[derive(Clone, Copy)]
pub(crate) enum Task {
    Prepare,
    Project,
    Search,
    Sort,
    Gather,
    Tiles,
    LowRank,
}

const NAMES: [&str; 7] = ["prepare", "project", "search", "sort", "gather", "tiles", "lowRank"];

/// Milliseconds spent on each task.
pub(crate) struct Clock {
    milliseconds: [f64; NAMES.len()],
    last: Instant,
}

impl Clock {
    pub fn new() -> Clock {
        Clock { milliseconds: [0.0; NAMES.len()], last: Instant::now() }
    }

    /// Leaves out the time since [`lap`](Self::lap) was called last: it was not the call's.
    pub fn start(&mut self) {
        self.last = Instant::now();
    }

    /// Adds the time since this, or [`start`](Self::start), was called last to that of `task`.
    pub fn lap(&mut self, task: Task) {
        let now = Instant::now();
        self.milliseconds[task as usize] += now.duration_since(self.last).as_secs_f64() * 1e3;
        self.last = now;
    }

    /// Adds time that was measured elsewhere.
    #[cfg(feature = "webgpu")]
    pub fn add(&mut self, task: Task, milliseconds: f64) {
        self.milliseconds[task as usize] += milliseconds;
    }

    pub fn phases(&self) -> Vec<Phase> {
        NAMES.into_iter().zip(self.milliseconds).map(|(name, milliseconds)| Phase { name, milliseconds }).collect()
    }
}
