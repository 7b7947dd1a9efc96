//! What a map of exponentials is made of, for a device that computes it with its own kernels.

use super::{Change, FeatureMap, INPUT_LIMIT, Kind, Side};
use crate::simd::{LANES, Panels};

/// `ln f_r(x) = constant_r + w_r·x' - |x'|²/2 + weight` with `x' = factor (x - mean)`.
pub(crate) struct Exponentials<'m> {
    directions: &'m Panels,
    /// -inf for features that only pad the last panel.
    constants: &'m [f32],
    pub queries: Affine<'m>,
    pub keys: Affine<'m>,
}

/// From a head's scaled queries, or from its keys, to x'.
pub(crate) struct Affine<'m> {
    /// What is subtracted; empty where the map is not centred. The other side's inner product with it, of queries before they are
    /// centred and of keys after, is that side's weight.
    pub mean: &'m [f32],
    pub factor: f32,
    /// What of x - mean keeps x' within the limit of inputs, so that nothing overflows on the way.
    pub limit: f32,
}

impl FeatureMap {
    /// `None` where it is no map of exponentials, or one that a [`Balance`](super::Balance) changes.
    pub fn exponentials(&self) -> Option<Exponentials<'_>> {
        let Kind::Exponential { directions, constants } = &self.kind else { return None };
        Some(Exponentials { directions, constants, queries: self.queries.affine()?, keys: self.keys.affine()? })
    }
}

impl Side {
    fn affine(&self) -> Option<Affine<'_>> {
        let Change::Factor(factor) = self.change else { return None };
        // Twice what elements of a head are held within is more than any has left of its mean.
        let limit = (f64::from(INPUT_LIMIT) / f64::from(factor)).min(1e18) as f32;
        Some(Affine { mean: &self.mean, factor, limit })
    }
}

impl Exponentials<'_> {
    /// Component `component` of direction `feature`.
    pub fn direction(&self, component: usize, feature: usize) -> f32 {
        self.directions.panel(feature / LANES)[component][feature % LANES]
    }

    pub fn constant(&self, feature: usize) -> f32 {
        self.constants[feature]
    }
}
