//! Markdown for reading, JSON for looking closer.

use std::fmt::Write;

use crate::outcome::{Outcome, Spread, median};

/// Everything measured on a head.
pub struct Measured {
    pub head: String,
    pub group: String,
    /// Budget by budget.
    pub outcomes: Vec<Vec<Outcome>>,
}

/// One table for each group of heads: medians over its heads.
pub fn markdown(measured: &[Measured], budgets: &[f64]) -> String {
    let mut text = String::new();
    for heads in measured.chunk_by(|a, b| a.group == b.group) {
        let plural = if heads.len() == 1 { "head" } else { "heads" };
        let columns: Vec<String> = budgets.iter().map(|budget| format!("error at {budget}")).collect();
        let _ = write!(
            text,
            "### {} ({} {plural})\n\n| method | {} | mass on the support, % | floats a row | ms |\n|---|{}---|---|---|\n",
            title(&heads[0].group),
            heads.len(),
            columns.join(" | "),
            "---|".repeat(budgets.len())
        );
        for (row, first) in heads[0].outcomes[0].iter().enumerate() {
            let cell = |write: &dyn Fn(&[&Outcome]) -> String| -> Vec<String> {
                (0..budgets.len())
                    .map(|b| write(&heads.iter().map(|head| &head.outcomes[b][row]).collect::<Vec<_>>()))
                    .collect()
            };
            let errors = cell(&error).join(" | ");
            let mass = cell(&|of| {
                number(median(of.iter().filter_map(|outcome| outcome.mass)).map(|mass| format!("{:.0}", mass * 100.0)))
            });
            let used = cell(&|of| {
                let floats = median(of.iter().map(|outcome| outcome.entries + outcome.features));
                number(floats.map(|floats| format!("{floats:.0}")))
            });
            let times = cell(&|of| {
                let time = median(of.iter().filter_map(|outcome| outcome.milliseconds));
                number(time.map(|time| if time < 9.95 { format!("{time:.1}") } else { format!("{time:.0}") }))
            });
            let [mass, used, times] = [mass, used, times].map(joined);
            let _ = writeln!(text, "| {} | {errors} | {mass} | {used} | {times} |", first.label);
        }
        text.push('\n');
    }
    text
}

/// Medians over heads of the mean, the smallest and the largest over seeds.
fn error(of: &[&Outcome]) -> String {
    let spreads: Vec<Spread> = of.iter().filter_map(|outcome| Spread::of(&outcome.errors)).collect();
    let middle = |read: fn(&Spread) -> f64| median(spreads.iter().map(read)).map_or("–".into(), digits);
    let (mean, min, max) = (middle(|s| s.mean), middle(|s| s.min), middle(|s| s.max));
    if of[0].errors.len() > 1 { format!("{mean} ({min}..{max})") } else { mean }
}

fn digits(x: f64) -> String {
    if x < 5e-4 { format!("{x:.0e}") } else { format!("{x:.3}") }
}

fn number(text: Option<String>) -> String {
    text.unwrap_or("–".into())
}

fn joined(cells: Vec<String>) -> String {
    if cells.iter().all(|cell| cell == "–") { "–".into() } else { cells.join(" / ") }
}

fn title(group: &str) -> String {
    let tokens = group.rsplit('-').next().unwrap_or_default();
    match group.split('-').next() {
        Some("dinov2") => format!("DINOv2, n = {tokens}"),
        Some("smollm2") => format!("SmolLM2, causal, n = {tokens}"),
        _ => group.to_owned(),
    }
}

/// Every head, budget and method. Names are file names and labels of ours: nothing in them needs escaping.
pub fn json(measured: &[Measured], budgets: &[f64]) -> String {
    let mut rows = Vec::new();
    for head in measured {
        for (budget, outcomes) in budgets.iter().zip(&head.outcomes) {
            for outcome in outcomes {
                let optional = |x: Option<f64>| x.map_or("null".into(), |x| format!("{x:e}"));
                let errors: Vec<String> = outcome.errors.iter().map(|error| format!("{error:e}")).collect();
                rows.push(format!(
                    r#"{{"head":"{}","group":"{}","budget":{budget},"method":"{}","errors":[{}],"mass":{},"entries":{},"features":{},"milliseconds":{}}}"#,
                    head.head,
                    head.group,
                    outcome.label.trim_matches('*'),
                    errors.join(","),
                    optional(outcome.mass),
                    outcome.entries,
                    outcome.features,
                    optional(outcome.milliseconds)
                ));
            }
        }
    }
    format!("[\n{}\n]\n", rows.join(",\n"))
}
