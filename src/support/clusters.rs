//! The keys that a walk down a tree of clusters leaves single.

use std::ops::Range;

use crate::attention::Head;
use crate::clusters::{Index, Walk};
use crate::error::Result;
use crate::simd::LANES;
use crate::support::{Rows, sort};

pub(crate) struct Clusters {
    index: Index,
    budget: usize,
    walk: Walk,
    direct: Vec<u32>,
    keys: Vec<u64>,
    spare: Vec<u64>,
}

impl Clusters {
    pub fn new(seed: u64, head: &Head, budget: usize) -> Result<Clusters> {
        let index = Index::new(seed, head)?;
        Ok(Clusters { index, budget, walk: Walk::default(), direct: Vec::new(), keys: Vec::new(), spare: Vec::new() })
    }

    /// The rows of `queries`, which must come in ascending order.
    pub fn rows(&mut self, head: &Head, queries: Range<usize>, out: &mut Rows) -> Result<()> {
        for query in queries {
            self.index.advance(head, query, &mut self.direct)?;
            let mut budget = self.budget.saturating_sub(self.direct.len());
            self.keys.clear();
            self.keys.extend(self.direct.iter().map(|&key| u64::from(key)));
            // A budget spent on clusters before the first key is reached would leave the row without a support.
            loop {
                self.walk.descend(self.index.tree(), head.query(query), budget, true);
                self.keys.extend(self.walk.keys.indices().iter().map(|&key| u64::from(key)));
                if !self.keys.is_empty() {
                    break;
                }
                budget += LANES;
            }
            sort(&mut self.keys, &mut self.spare);
            out.indices.extend(self.keys.iter().map(|&key| key as u32));
            out.close();
        }
        Ok(())
    }
}
