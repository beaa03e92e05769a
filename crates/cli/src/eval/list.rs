//! `smolvlm eval --list`.

use crate::error::Error;
use crate::output::print_line;
use serde_json::{Value, json};
use smolvlm_eval::{Published, Task};

/// The benchmarks that are known, as a table or as JSON.
pub(super) fn print(as_json: bool) -> Result<(), Error> {
    let tasks = Task::names().map(Task::open).collect::<Result<Vec<Task>, _>>()?;
    if as_json {
        return print_line(&tasks.iter().map(json).collect::<Value>().to_string());
    }
    let mut lines = vec![format!(
        "{:14} {:>7}  {:12} {:38} {:20} published",
        "task", "rows", "metric", "on the hub", "VLMEvalKit's table"
    )];
    for task in &tasks {
        let (hub, tsv) = (task.hub(), task.tsv());
        let name = |of: &Option<Published<'_>>| of.as_ref().map_or("–", |of| of.name).to_owned();
        let rows = hub.as_ref().map_or(0, |hub| hub.rows);
        let rows = if rows == 0 { "?".to_owned() } else { rows.to_string() };
        let scores: Vec<String> =
            task.published.iter().map(|(model, score)| format!("{} {score}", short(model))).collect();
        lines.push(format!(
            "{:14} {rows:>7}  {:12} {:38} {:20} {}",
            task.name,
            task.metric(),
            name(&hub),
            name(&tsv),
            scores.join(", ")
        ));
        lines.push(format!("{:24}{}", "", task.about));
    }
    lines.push("where columns are published, and when that was looked at: --json".to_owned());
    print_line(&lines.join("\n"))
}

/// A model's name without what all have.
fn short(model: &str) -> &str {
    match model {
        "SmolVLM-Instruct" => "2.2B",
        "SmolVLM-256M-Instruct" => "256M",
        "SmolVLM-500M-Instruct" => "500M",
        "SmolVLM2-2.2B-Instruct" => "2:2.2B",
        "SmolVLM2-500M-Video-Instruct" => "2:500M",
        "SmolVLM2-256M-Video-Instruct" => "2:256M",
        other => other,
    }
}

fn json(task: &Task) -> Value {
    let source = |of: Published<'_>| json!({ "name": of.name, "files": of.files, "rows": of.rows, "schema": of.schema.0, "seen": of.schema.1 });
    json!({
        "name": task.name, "title": task.title, "about": task.about, "metric": task.metric(), "clips": task.has_clips(),
        "hub": task.hub().map(source), "tsv": task.tsv().map(source), "published": task.published,
    })
}
