//! What comes of answers: scores by groups, a benchmark's own tables, and the page.

use crate::Error;
use crate::evaluation::Control;
use crate::metrics::Metric;
use crate::page::{Page, Pictures};
use crate::records::Line;
use crate::run_state::{Folder, RunFile, Speed};
use crate::scores::{self, Record, Score};
use crate::tables::tables;
use crate::task::Task;
use serde_json::{Value, json};
use smolvlm_data::Draw;
use smolvlm_processor::DecodeOptions;
use std::path::PathBuf;

/// What an evaluation came to.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// How answers were scored.
    pub metric: Metric,
    /// All questions.
    pub total: Score,
    /// A benchmark's own numbers, by name, the one that is published first; in points of a hundred.
    pub own: Vec<(String, f64)>,
    /// By skill; questions without one by their source.
    pub skills: Vec<Score>,
    /// By source, where there are several.
    pub sources: Vec<Score>,
    /// Rows that were asked about.
    pub rows: usize,
    /// Rows, and questions of rows, that could not be used.
    pub bad: usize,
    /// Whether it was ended before all was asked.
    pub stopped: bool,
    /// What it took.
    pub speed: Speed,
    /// The results as `scores.json` has them.
    pub json: Value,
    /// The groups' parts of the page, for one of several benchmarks.
    pub(crate) sections: String,
    /// The benchmark, if it is one.
    pub(crate) task: Option<Task>,
    /// What the model is called.
    pub(crate) model: String,
    /// The page.
    pub page: PathBuf,
    /// Every answer.
    pub answers: PathBuf,
}

/// Answers of which something comes.
pub(crate) struct Results<'a> {
    pub(crate) metric: Metric,
    pub(crate) seed: u64,
    pub(crate) task: Option<&'a Task>,
    pub(crate) run: &'a RunFile,
    pub(crate) lines: &'a [Line],
    pub(crate) stopped: bool,
}

impl Results<'_> {
    /// Writes scores and the page.
    ///
    /// # Errors
    /// A file cannot be written.
    pub(crate) fn write(
        &self,
        folder: &Folder,
        (model, control): (&str, Option<Control>),
        names: &[String],
        shown: (&dyn Pictures, &DecodeOptions),
    ) -> Result<Outcome, Error> {
        let (groups, records) = self.records();
        let metric = self.metric;
        let skills = scores::by(metric, &groups, &records, |record| record.group);
        let mut sources = scores::by(metric, &self.run.sources, &records, |record| record.source);
        if sources.len() < 2 {
            sources.clear();
        }
        let total = scores::total(metric, &records, &skills);
        let own = match metric {
            Metric::Rule(rule) => tables(rule, &records),
            _ => Vec::new(),
        };
        let bad = self.lines.len() - records.len();
        let all = |scores: &[Score]| scores.iter().map(Score::to_json).collect::<Vec<_>>();
        let setting = |name: &str| self.run.settings.get(name).cloned().unwrap_or_default();
        let mut json = json!({
            "model": model, "data": names, "metric": metric.name(), "control": control.map(Control::name),
            "seed": self.seed, "limit": setting("limit"), "rows": self.run.rows, "questions": records.len(), "bad": bad,
            "stopped": self.stopped, "interval": if metric.is_graded() { "normal" } else { "wilson" },
            "all": total.to_json(), "skills": all(&skills), "sources": all(&sources),
        });
        if let (Some(task), Value::Object(json)) = (self.task, &mut json) {
            json.insert("task".to_owned(), json!(task.name));
            json.insert("prompts".to_owned(), setting("prompts"));
            json.insert("shots".to_owned(), setting("shots"));
            let own = own.iter().map(|(name, value)| json!({ "name": name, "score": value })).collect::<Vec<_>>();
            json.insert("own".to_owned(), own.into());
            json.insert("published".to_owned(), json!(task.published));
        }
        folder.put("scores.json", format!("{json:#}\n").as_bytes())?;
        let (rows, stopped, speed) = (self.run.rows, self.stopped, self.run.speed);
        let answers = folder.answers();
        let mut outcome = Outcome {
            metric,
            total,
            own,
            skills,
            sources,
            rows,
            bad,
            stopped,
            speed,
            json,
            sections: String::new(),
            task: self.task.cloned(),
            model: model.to_owned(),
            page: answers.clone(),
            answers,
        };
        let page = Page::new(self.seed, metric, &groups, &records, self.lines, shown, &self.run.sources);
        let html = page.html((model, control), names, self.task, &outcome);
        outcome.sections = page.sections(self.task, &outcome);
        outcome.page = folder.put("report.html", html.as_bytes())?;
        Ok(outcome)
    }

    /// The answers as records, and the names of their groups in the order of the rows.
    fn records(&self) -> (Vec<String>, Vec<Record>) {
        let mut groups: Vec<String> = Vec::new();
        let mut records = Vec::new();
        for (at, line) in self.lines.iter().enumerate() {
            let Ok(answered) = &line.what else { continue };
            let name = answered.skill.as_deref().unwrap_or(&line.source);
            let group = groups.iter().position(|group| group == name).unwrap_or_else(|| {
                groups.push(name.to_owned());
                groups.len() - 1
            });
            let source = line.place(&self.run.sources).0;
            let (answer, truth) = (answered.answer.clone(), answered.truth.clone());
            let skill = answered.skill.clone();
            records.push(Record { group, skill, source, score: answered.score, answer, truth, line: at });
        }
        (groups, records)
    }
}

/// The row of a line.
pub(crate) fn draw(line: &Line, sources: &[String]) -> Draw {
    Draw { source: line.place(sources).0, row: line.row.saturating_sub(1) }
}
