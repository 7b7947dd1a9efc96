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
#[derive(Default)]
pub(crate) struct Clock([f64; NAMES.len()]);

impl Clock {
    /// Runs `work` and adds the time it took to that of `task`.
    pub fn time<T>(&mut self, task: Task, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = work();
        self.0[task as usize] += start.elapsed().as_secs_f64() * 1e3;
        result
    }

    pub fn phases(&self) -> Vec<Phase> {
        NAMES.into_iter().zip(self.0).map(|(name, milliseconds)| Phase { name, milliseconds }).collect()
    }
}
