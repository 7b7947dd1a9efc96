//! Markdown for reading, JSON for looking closer.

use std::fmt::Write;

use crate::methods::DEFAULT;
use crate::outcome::{Outcome, Spread, median};

/// Everything measured on a head.
pub struct Measured {
    pub head: String,
    pub group: String,
    pub tokens: usize,
    /// Mean over rows of the exact attention's entropy, in nats.
    pub entropy: f64,
    /// Budget by budget.
    pub outcomes: Vec<Vec<Outcome>>,
}

/// One table for each group of heads, medians over its heads; then one for each head.
pub fn markdown(measured: &[Measured], budgets: &[f64]) -> String {
    let mut text = String::from("## Medians\n\n");
    for heads in measured.chunk_by(|a, b| a.group == b.group) {
        let plural = if heads.len() == 1 { "head" } else { "heads" };
        let entropies = Spread::of(&heads.iter().map(|head| head.entropy).collect::<Vec<_>>());
        let entropy = entropies.map_or(String::new(), |s| format!("{:.2} to {:.2}", s.min, s.max));
        let _ = writeln!(
            text,
            "### {} ({} {plural}, entropy {entropy} of ln n = {:.2})\n",
            title(&heads[0].group),
            heads.len(),
            (heads[0].tokens as f64).ln()
        );
        table(&mut text, &heads.iter().collect::<Vec<_>>(), budgets);
    }
    text.push_str(&comparison(measured, budgets));
    text.push_str("## Each head\n\n");
    for head in measured {
        let _ = writeln!(text, "### {} (entropy {:.2})\n", head.head, head.entropy);
        table(&mut text, &[head], budgets);
    }
    text
}

fn table(text: &mut String, heads: &[&Measured], budgets: &[f64]) {
    let columns: Vec<String> = budgets.iter().map(|budget| format!("error at {budget}")).collect();
    let _ = writeln!(
        text,
        "| method | {} | matrix error | mass on the support, % | floats a row | ms |\n|---|{}---|---|---|---|",
        columns.join(" | "),
        "---|".repeat(budgets.len())
    );
    for (row, first) in heads[0].outcomes[0].iter().enumerate() {
        let cell = |write: &dyn Fn(&[&Outcome]) -> String| -> Vec<String> {
            (0..budgets.len())
                .map(|b| write(&heads.iter().map(|head| &head.outcomes[b][row]).collect::<Vec<_>>()))
                .collect()
        };
        let middle = |read: fn(&Outcome) -> Option<f64>, show: fn(f64) -> String| {
            joined(cell(&|of| median(of.iter().filter_map(|outcome| read(outcome))).map_or("–".into(), show)))
        };
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} |",
            first.label,
            cell(&error).join(" | "),
            middle(|outcome| outcome.matrix_error, digits),
            middle(|outcome| outcome.mass, |mass| format!("{:.0}", mass * 100.0)),
            middle(|outcome| Some(outcome.entries + outcome.features), |floats| format!("{floats:.0}")),
            middle(
                |outcome| outcome.milliseconds,
                |time| { if time < 9.95 { format!("{time:.1}") } else { format!("{time:.0}") } }
            ),
        );
    }
    text.push('\n');
}

/// The default's medians over those of the best other method. Exact attention and the oracles, which have seen every
/// logit, are not in the running.
fn comparison(measured: &[Measured], budgets: &[f64]) -> String {
    let mut text = String::from(
        "## The default against the best other method\n\n| heads | budget | default | best other | ratio |\n|---|---|---|---|---|\n",
    );
    for heads in measured.chunk_by(|a, b| a.group == b.group) {
        for (b, budget) in budgets.iter().enumerate() {
            let medians: Vec<(&str, f64)> = (0..heads[0].outcomes[b].len())
                .map(|row| {
                    let errors = heads.iter().filter_map(|head| Spread::of(&head.outcomes[b][row].errors));
                    (heads[0].outcomes[b][row].label, median(errors.map(|s| s.mean)).unwrap_or(f64::NAN))
                })
                .filter(|(label, _)| !label.starts_with("exact") && !label.contains("oracle"))
                .collect();
            let own = medians.iter().find(|(label, _)| *label == DEFAULT);
            let best = medians.iter().filter(|(label, _)| *label != DEFAULT).min_by(|a, b| a.1.total_cmp(&b.1));
            if let (Some((_, own)), Some((label, best))) = (own, best) {
                let ratio = own / best;
                let _ = writeln!(
                    text,
                    "| {} | {budget} | {} | {} ({label}) | {ratio:.2} |",
                    title(&heads[0].group),
                    digits(*own),
                    digits(*best)
                );
            }
        }
    }
    text.push('\n');
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
                    r#"{{"head":"{}","group":"{}","entropy":{},"budget":{budget},"method":"{}","errors":[{}],"matrixError":{},"mass":{},"entries":{},"features":{},"milliseconds":{}}}"#,
                    head.head,
                    head.group,
                    head.entropy,
                    outcome.label.trim_matches('*'),
                    errors.join(","),
                    optional(outcome.matrix_error),
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
