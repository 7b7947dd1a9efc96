//! Work on the processor, some milliseconds at a time.

use web_time::{Duration, Instant};

use super::Result;

/// Something that is done in pieces.
pub(super) trait Work {
    fn step(&mut self) -> crate::Result<()>;
    fn is_done(&self) -> bool;
    fn fraction(&self) -> f64;
}

/// Works for about so many milliseconds, at least one unit of work; returns the share that is done, which is 1 only
/// at the end.
pub(super) fn step(work: &mut impl Work, milliseconds: f64) -> Result<f64> {
    let limit = Duration::try_from_secs_f64(milliseconds / 1e3).unwrap_or(Duration::MAX);
    let start = Instant::now();
    while !work.is_done() {
        work.step()?;
        if start.elapsed() >= limit {
            break;
        }
    }
    Ok(if work.is_done() { 1.0 } else { work.fraction().min(1.0 - f64::EPSILON) })
}
