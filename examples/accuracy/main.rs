//! How far each method is from exact attention on heads of trained models, all within the same floats per row.
//!
//! `make accuracy` runs it: Markdown on stdout, progress on stderr, and with `--json FILE` every head by itself.

mod baselines;
mod clusters;
mod head;
mod low_rank;
mod methods;
mod outcome;
mod report;

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use baselines::reference;
use head::Head;
use report::Measured;

/// Floats per row, as shares of the keys.
const BUDGETS: [f64; 3] = [0.02, 0.0625, 0.125];

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let json = match (arguments.next().as_deref(), arguments.next(), arguments.next()) {
        (None, ..) => None,
        (Some("--json"), Some(file), None) => Some(file),
        _ => return Err("usage: accuracy [--json FILE]".into()),
    };
    let started = Instant::now();
    let heads = Head::read_all(&Path::new(env!("CARGO_MANIFEST_DIR")).join("data/heads"))?;
    let mut measured = Vec::new();
    for (n, head) in heads.iter().enumerate() {
        eprintln!("{:4} s  {} of {}: {}", started.elapsed().as_secs(), n + 1, heads.len(), head.name);
        measured.push(measure(head)?);
    }
    eprintln!("{:4} s  done", started.elapsed().as_secs());
    print!("{}", report::markdown(&measured, &BUDGETS));
    if let Some(file) = json {
        std::fs::write(file, report::json(&measured, &BUDGETS))?;
    }
    Ok(())
}

fn measure(head: &Head) -> Result<Measured, Box<dyn Error>> {
    let reference = reference(head, &BUDGETS);
    let configured: Vec<_> = methods::methods().into_iter().filter(|method| method.fits(head)).collect();
    let mut outcomes = Vec::new();
    for (budget, baselines) in BUDGETS.into_iter().zip(reference.baselines) {
        let mut row = vec![methods::exact().run(head, budget, &reference.output)?];
        for method in &configured {
            row.push(method.run(head, budget, &reference.output)?);
        }
        row.extend(baselines);
        row.extend(low_rank::top_k_and_svd(head, budget, &reference.output));
        outcomes.push(row);
    }
    Ok(Measured {
        head: head.name.clone(),
        group: head.group().to_owned(),
        tokens: head.tokens,
        entropy: reference.entropy,
        outcomes,
    })
}
