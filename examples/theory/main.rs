//! Three results of the paper, measured: who needs how many parameters (theorem 1), the variance with a hashed support
//! (theorem 2), and errors against entropy (figure 1).
//!
//! `make theory` runs it: JSON into the folder given, progress on stderr.

mod entropy;
// What the accuracy report has besides is not for here.
#[allow(dead_code)]
#[path = "../accuracy/head.rs"]
mod head;
mod regimes;
mod rows;
mod spectrum;
mod variance;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Instant;

use entropy::Family;
use head::Head;
use serde::Serialize;

/// Tokens and head dimension of the clusters. The last one is as the page has it; there the part between the clusters
/// is less smooth.
const CLUSTERED: [(usize, usize); 5] = [(256, 256), (512, 256), (1024, 256), (2048, 256), (512, 64)];

/// Head dimensions and seeds.
const VARIANCES: [(usize, u64); 2] = [(16, 100_000), (64, 20_000)];
const COLLISIONS: [(usize, u64); 4] = [(16, 100_000), (64, 100_000), (256, 100_000), (1024, 100_000)];

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(folder), None) = (arguments.next(), arguments.next()) else {
        return Err("usage: theory FOLDER".into());
    };
    let report = Report { folder: folder.into(), started: Instant::now() };
    report.write("regimes.json", CLUSTERED.len(), |step| {
        let (tokens, dim) = CLUSTERED[step];
        Ok(regimes::measure(regimes::model(tokens, dim), regimes::grid())?)
    })?;
    report.write("variance.json", VARIANCES.len(), |step| {
        let (dim, seeds) = VARIANCES[step];
        Ok(variance::variances(dim, seeds)?)
    })?;
    report.write("collisions.json", COLLISIONS.len(), |step| {
        let (dim, seeds) = COLLISIONS[step];
        Ok(variance::collisions(dim, seeds)?)
    })?;
    let mut heads = Head::read_all(&Path::new(env!("CARGO_MANIFEST_DIR")).join("data/heads"))?;
    heads.retain(|head| head.tokens <= entropy::LONGEST);
    report.write("entropy.json", heads.len(), |step| {
        let mut points = Vec::new();
        for temperature in entropy::temperatures() {
            for family in [Family::Paper, Family::Default, Family::Oracle] {
                points.push(entropy::measure(&heads[step], temperature, family)?);
            }
        }
        Ok(points)
    })
}

struct Report {
    folder: PathBuf,
    started: Instant,
}

impl Report {
    /// Collects the rows of all steps into one file.
    fn write<R: Serialize>(
        &self,
        name: &str,
        steps: usize,
        measure: impl Fn(usize) -> Result<Vec<R>, Box<dyn Error>>,
    ) -> Result<(), Box<dyn Error>> {
        let mut rows = Vec::new();
        for step in 0..steps {
            eprintln!("{:4} s  {name}: {} of {steps}", self.started.elapsed().as_secs(), step + 1);
            rows.extend(measure(step)?);
        }
        std::fs::write(self.folder.join(name), rows::to_json(&rows)?)?;
        Ok(())
    }
}
