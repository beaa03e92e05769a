//! A training run as one HTML page: headline numbers, curves, sample answers, settings.
//!
//! The page needs nothing outside itself: the curves are SVG made here, and a small script adds tooltips, the
//! logarithmic scale, smoothing and hiding of lines. Where scripts are off, the curves stay.
use std::{borrow::Cow, collections::BTreeMap, fmt::Write};

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::json;

const TEMPLATE: &str = include_str!("report.html");
/// The most points of a line; longer ones are thinned.
const DRAWN: usize = 4000;
/// The most points of a source's line, of which there may be many.
const SOURCE_DRAWN: usize = 1000;
/// Choices of smoothing, in logged rows.
const WINDOWS: [usize; 10] = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000];
/// Values beyond this are not drawn, so that arithmetic on the axes stays finite.
const LARGEST: f64 = 1e30;
/// Hues of `--h0` … in the template: 0 is the main line's, 1 the validation's, the others are for sources.
const HUES: usize = 10;

/// What a report shows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report {
    /// The page's title.
    pub title: String,
    /// `running`, `done`, or `stopped: why`.
    pub status: String,
    /// Names and values: model, data, recipe, machine, trained parameters.
    pub facts: Vec<(String, String)>,
    /// The run's settings, TOML.
    pub settings: String,
    /// The log. Of rows of the same step the last one counts.
    pub rows: Vec<LogRow>,
    /// Step and loss on held-out data.
    pub validation: Vec<(u64, f64)>,
    /// Answers to the same questions at several steps.
    pub answers: Vec<SampleAnswer>,
    /// Names of the data's sources.
    pub sources: Vec<String>,
}

/// A row of the log. As JSON has no NaN, a `null` reads as NaN.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct LogRow {
    /// Optimizer steps done.
    pub step: u64,
    /// Mean cross-entropy per answer token, nats.
    #[serde(deserialize_with = "number_or_null")]
    pub loss: f64,
    /// Learning rate.
    #[serde(deserialize_with = "number_or_null")]
    pub lr: f64,
    /// Norm of all gradients before clipping.
    #[serde(deserialize_with = "number_or_null")]
    pub grad_norm: f64,
    /// Tokens per second.
    #[serde(deserialize_with = "number_or_null")]
    pub tokens_per_second: f64,
    /// Pictures per second.
    #[serde(deserialize_with = "number_or_null")]
    pub pictures_per_second: f64,
    /// Part of the machine's peak arithmetic that the model's arithmetic makes, 0 to 1, where the peak is known.
    #[serde(default)]
    pub mfu: Option<f64>,
    /// Loss by source: index into [`Report::sources`] and mean loss.
    #[serde(default, deserialize_with = "numbers_or_null")]
    pub by_source: Vec<(usize, f64)>,
}

/// What the model answered to a sample at a step.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SampleAnswer {
    /// Optimizer steps done.
    pub step: u64,
    /// The sample's name.
    pub sample: String,
    /// What was asked.
    pub question: String,
    /// What should be answered.
    pub want: String,
    /// What was answered.
    pub answer: String,
    /// The picture as a `data:image/…` URL. Any other URL is left out.
    #[serde(default)]
    pub picture: Option<String>,
}

fn number_or_null<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or(f64::NAN))
}

fn numbers_or_null<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<(usize, f64)>, D::Error> {
    let pairs = Vec::<(usize, Option<f64>)>::deserialize(from)?;
    Ok(pairs.into_iter().map(|(source, loss)| (source, loss.unwrap_or(f64::NAN))).collect())
}

/// The page.
pub(crate) fn html(run: &Report) -> String {
    let (state, _) = run.status.split_once(':').unwrap_or((&run.status, ""));
    fill(TEMPLATE, |name| match name {
        "title" => escape(&run.title).into(),
        "status" => escape(&run.status).into(),
        "state" => escape(state.trim()).into(),
        "tiles" => tiles(run),
        "notice" => notice(run),
        "curves" => curves(run),
        "answers" => answers(&run.answers),
        "facts" => facts(&run.facts),
        "settings" => escape(&run.settings).into(),
        _ => String::new(),
    })
}

/// Puts values for `{{name}}`, once through, so that a value may hold braces itself.
fn fill(template: &str, value: impl Fn(&str) -> String) -> String {
    let mut parts = template.split("{{");
    let mut page = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once("}}").unwrap_or((part, ""));
        page.push_str(&value(name));
        page.push_str(rest);
    }
    page
}

/// Text for an element or a quoted attribute.
fn escape(text: &str) -> Cow<'_, str> {
    if !text.contains(['&', '<', '>', '"', '\'']) {
        return text.into();
    }
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('"', "&quot;").replace('\'', "&#39;").into()
}

// ---- Numbers at the top ----

fn tiles(run: &Report) -> String {
    let mut out = String::new();
    let mut tile = |name: &str, value: String, detail: String| {
        let _ = write!(out, "<div class=tile><dt>{name}</dt><dd>{value}</dd><p>{detail}</p></div>");
    };
    let loss = points(run.rows.iter().map(|row| (row.step, row.loss)), usize::MAX);
    let smooth = smoothed(&loss, default_window(loss.len()).1);
    let drawn = |value: &&f64| drawable(**value);
    if let (Some(first), Some(last)) = (smooth.iter().find(drawn), smooth.iter().rev().find(drawn)) {
        tile("Training loss", number(*last), format!("smoothed; at first {}", number(*first)));
    }
    let held: Vec<_> = run.validation.iter().filter(|(_, loss)| drawable(*loss)).collect();
    if let (Some((_, last)), Some((step, best))) = (held.last(), held.iter().min_by(|a, b| a.1.total_cmp(&b.1))) {
        tile("Validation loss", number(*last), format!("lowest {} at step {}", number(*best), grouped(*step as f64)));
    }
    if let Some(last) = run.rows.last() {
        tile(
            "Step",
            grouped(last.step as f64),
            match run.rows.len() {
                1 => "1 row logged".to_owned(),
                rows => format!("{} rows logged", grouped(rows as f64)),
            },
        );
        let speeds = median(run.rows.iter().map(|row| row.tokens_per_second));
        let pictures = median(run.rows.iter().map(|row| row.pictures_per_second));
        let pictures = pictures.filter(|speed| *speed > 0.0).map(|speed| format!("; {} pictures/s", number(speed)));
        if let Some(speed) = speeds {
            tile("Tokens per second", number(speed), format!("median{}", pictures.unwrap_or_default()));
        }
        if let Some(mfu) = median(run.rows.iter().filter_map(|row| row.mfu)) {
            tile("MFU", format!("{} %", number(mfu * 100.0)), "median; of peak arithmetic".into());
        }
    }
    out
}

/// What went wrong with the numbers.
fn notice(run: &Report) -> String {
    let mut bad = run.rows.iter().filter(|row| !row.loss.is_finite());
    let Some(first) = bad.next() else { return String::new() };
    format!(
        "<p class=notice role=note>The loss was not a finite number in {} of {} logged rows, first at step {}.</p>",
        grouped(bad.count() as f64 + 1.0),
        grouped(run.rows.len() as f64),
        grouped(first.step as f64)
    )
}

fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<_> = values.filter(|value| drawable(*value)).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

// ---- Lines ----

/// A point of a line. Where a line is thinned, `mean` is that of the rows that it stands for.
#[derive(Clone, Copy, Debug)]
struct Point {
    step: u64,
    value: f64,
    mean: f64,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// The values as they are.
    Plain,
    /// The values faint, and a moving average.
    Curve,
    /// The moving average alone, hidden at first.
    Source,
    /// A dot for each value.
    Dots,
}

struct Line {
    name: String,
    kind: Kind,
    hue: usize,
    points: Vec<Point>,
    /// 1, or more where the line is thinned.
    rows_per_point: f64,
}

impl Line {
    fn new(name: &str, kind: Kind, hue: usize, values: impl Iterator<Item = (u64, f64)>) -> Self {
        let rows: BTreeMap<u64, f64> = values.collect();
        let count = rows.len();
        let points = points(rows.into_iter(), if kind == Kind::Source { SOURCE_DRAWN } else { DRAWN });
        let rows_per_point = count.max(1) as f64 / points.len().max(1) as f64;
        Self { name: name.to_owned(), kind, hue, points, rows_per_point }
    }

    fn values(&self) -> Vec<f64> {
        self.points.iter().map(|point| point.value).collect()
    }

    /// The moving average over about `rows` rows.
    fn smooth(&self, rows: f64) -> Vec<f64> {
        smoothed(&self.points, rows / self.rows_per_point)
    }
}

/// At most `limit` points. Of each stretch of rows the lowest and the highest are kept, so that no spike gets lost;
/// NaN is kept as the highest.
fn points(values: impl Iterator<Item = (u64, f64)>, limit: usize) -> Vec<Point> {
    let values: Vec<_> = values.collect();
    if values.len() <= limit {
        return values.into_iter().map(|(step, value)| Point { step, value, mean: value }).collect();
    }
    let mut kept = Vec::with_capacity(limit);
    for stretch in values.chunks((values.len() * 2).div_ceil(limit)) {
        let finite = stretch.iter().map(|(_, value)| *value).filter(|value| drawable(*value));
        let mean = finite.clone().sum::<f64>() / finite.count() as f64;
        let lowest = stretch.iter().min_by(|a, b| a.1.total_cmp(&b.1));
        let highest = stretch.iter().max_by(|a, b| a.1.total_cmp(&b.1));
        let mut ends: Vec<_> = lowest.into_iter().chain(highest).collect();
        ends.sort_by_key(|(step, _)| *step);
        kept.extend(ends.into_iter().map(|&(step, value)| Point { step, value, mean }));
    }
    kept
}

/// An exponential moving average over about `window` points, without a bias to 0 at the start. Points that are not
/// finite leave it as it is.
fn smoothed(points: &[Point], window: f64) -> Vec<f64> {
    let keep = 1.0 - 1.0 / window.max(1.0);
    let (mut sum, mut weight) = (0.0, 0.0);
    let step = |point: &Point| {
        if drawable(point.mean) {
            sum = keep * sum + (1.0 - keep) * point.mean;
            weight = keep * weight + (1.0 - keep);
        }
        sum / weight
    };
    points.iter().map(step).collect()
}

/// A window for so many rows, about a fortieth of them: its place in `WINDOWS`, and itself.
fn default_window(rows: usize) -> (usize, f64) {
    let mut fitting = WINDOWS.iter().enumerate().filter(|(_, window)| *window * 40 <= rows);
    fitting.next_back().map_or((0, 1.0), |(choice, window)| (choice, *window as f64))
}

fn drawable(value: f64) -> bool {
    value.abs() < LARGEST
}

// ---- Charts ----

struct Chart {
    title: &'static str,
    unit: &'static str,
    /// Whether the linear axis starts at 0.
    from_zero: bool,
    /// Whether a logarithmic axis can be chosen.
    log: bool,
    lines: Vec<Line>,
}

fn curves(run: &Report) -> String {
    if run.rows.is_empty() && run.validation.is_empty() {
        return "<p class=empty>Nothing is logged yet. The curves appear with the first rows.</p>".to_owned();
    }
    let rows = &run.rows;
    let by_row = |name: &str, kind, value: fn(&LogRow) -> f64| {
        vec![Line::new(name, kind, 0, rows.iter().map(|row| (row.step, value(row))))]
    };
    let mut loss = by_row("Training", Kind::Curve, |row| row.loss);
    if !run.validation.is_empty() {
        loss.push(Line::new("Validation", Kind::Dots, 1, run.validation.iter().copied()));
    }
    for (index, source) in run.sources.iter().enumerate() {
        let of_source = |row: &LogRow| row.by_source.iter().find(|(of, _)| *of == index).map(|(_, loss)| *loss);
        let values = rows.iter().filter_map(|row| Some((row.step, of_source(row)?)));
        loss.push(Line::new(source, Kind::Source, 2 + index % (HUES - 2), values));
    }
    let norm = by_row("Gradient norm", Kind::Curve, |row| row.grad_norm);
    let lr = by_row("Learning rate", Kind::Plain, |row| row.lr);
    let tokens = by_row("Tokens", Kind::Curve, |row| row.tokens_per_second);
    let pictures = by_row("Pictures", Kind::Curve, |row| row.pictures_per_second);
    let chart = |title, unit, from_zero, log, lines| Chart { title, unit, from_zero, log, lines };
    let mut charts = vec![
        chart("Loss", "cross-entropy, nats per token", false, true, loss),
        chart("Learning rate", "per step", true, false, lr),
        chart("Gradient norm", "L2, before clipping", true, true, norm),
        chart("Token speed", "tokens per second", true, false, tokens),
    ];
    if rows.iter().any(|row| row.pictures_per_second > 0.0) {
        charts.push(chart("Picture speed", "pictures per second", true, false, pictures));
    }
    if rows.iter().any(|row| row.mfu.is_some()) {
        let values = rows.iter().filter_map(|row| Some((row.step, row.mfu? * 100.0)));
        let lines = vec![Line::new("MFU", Kind::Curve, 0, values)];
        charts.push(chart("Model FLOPs utilisation", "% of peak arithmetic", true, false, lines));
    }
    let steps = || rows.iter().map(|row| row.step).chain(run.validation.iter().map(|(step, _)| *step));
    let (first, last) = (steps().min().unwrap_or(0) as f64, steps().max().unwrap_or(0) as f64);
    let steps = if first < last { (first, last) } else { (first - 1.0, last + 1.0) };
    let window = default_window(rows.len());
    let figures: String = charts.iter().map(|chart| figure(chart, steps, window)).collect();
    let thinned =
        if rows.len() > DRAWN { " Of each stretch of rows the lowest and the highest are drawn." } else { "" };
    format!(
        "<p class=note>Faint: logged rows. Strong: their moving average.{thinned}</p><div class=curves>{figures}</div>"
    )
}

fn figure(chart: &Chart, steps: (f64, f64), (choice, window): (usize, f64)) -> String {
    let mut seen = Vec::new();
    for line in &chart.lines {
        seen.extend(if line.kind == Kind::Source { line.smooth(window) } else { line.values() });
    }
    seen.retain(|value| drawable(*value));
    let averages = chart.lines.iter().filter(|line| line.kind == Kind::Curve).flat_map(|line| line.smooth(window));
    let needed = averages.filter(|value| drawable(*value)).fold(f64::MIN, f64::max);
    seen.sort_by(f64::total_cmp);
    let (title, unit) = (chart.title, chart.unit);
    let head = format!("<header><h3>{title} <small>{unit}</small></h3>");
    let Some((linear, ticks)) = linear_axis(&seen, needed, chart.from_zero) else {
        return format!("<figure>{head}</header><p class=empty>No finite values.</p></figure>");
    };
    let log = if chart.log { log_axis(&seen) } else { None };

    let mut out = format!("<figure data-scale=lin{}>{head}", if title == "Loss" { " class=wide" } else { "" });
    if title == "Loss" {
        let last = WINDOWS.len() - 1;
        let _ = write!(
            out,
            "<label class=smoothing>Smoothing <input type=range min=0 max={last} value={choice}> <output></output>\
             </label>"
        );
    }
    if log.is_some() {
        out += "<span class=scales role=group aria-label=Scale><button type=button data-to=lin aria-pressed=true>\
                Linear</button><button type=button data-to=log aria-pressed=false>Log</button></span>";
    }
    out += "</header>";
    if chart.lines.len() > 1 {
        out += &legend(&chart.lines);
    }
    out += "<div class=chart>";
    out += &y_ticks("lin", &ticks, |value| share(value, linear));
    if let Some((log, ticks)) = &log {
        out += &y_ticks("log", ticks, |value| share(value.ln(), (log.0.ln(), log.1.ln())));
    }
    let _ = write!(out, "<div class=plot tabindex=0 role=img aria-label=\"{title} by step, {unit}\">");
    out += "<svg viewBox=\"0 0 1000 1000\" preserveAspectRatio=none aria-hidden=true>";
    for (index, line) in chart.lines.iter().enumerate() {
        out += &drawing(index, line, steps, linear, window);
    }
    out += "</svg></div><div class=x>";
    let (x_ticks, gap) = nice_ticks(steps.0, steps.1, 8.0);
    for value in x_ticks.iter().filter(|value| (steps.0..=steps.1).contains(*value) && value.fract() == 0.0) {
        let (at, label) = (share(*value, steps), tick(*value, gap.max(1.0), steps.1));
        let class = if at > 0.97 { " class=end" } else { "" };
        let _ = write!(out, "<span style=left:{:.2}%{class}>{label}</span>", at * 100.0);
    }
    out += "</div></div><p class=axis>step</p>";
    let above = seen.iter().filter(|value| **value > linear.1).count();
    if above > 0 {
        let highest = number(seen.last().copied().unwrap_or_default());
        let _ = write!(out, "<p class=\"above lin\">{above} points lie above the axis; the highest is {highest}.</p>");
    }
    let _ = write!(
        out,
        "<script type=application/json>{}</script></figure>",
        data(chart, steps, linear, log.map(|(ends, _)| ends), choice)
    );
    out
}

fn legend(lines: &[Line]) -> String {
    let mut out = "<div class=legend>".to_owned();
    for (index, Line { name, kind, hue, .. }) in lines.iter().enumerate() {
        let name = escape(name);
        let (mark, shown) = (if *kind == Kind::Dots { "dot" } else { "line" }, *kind != Kind::Source);
        let _ = write!(
            out,
            "<button type=button data-line={index} aria-pressed={shown}><i class={mark} \
             style=\"color:var(--h{hue})\"></i>{name}</button>"
        );
    }
    out + "</div>"
}

fn y_ticks(class: &str, ticks: &[(f64, String)], share: impl Fn(f64) -> f64) -> String {
    let mut out = format!("<div class=\"y {class}\">");
    for (value, label) in ticks {
        let _ = write!(out, "<span style=bottom:{:.2}%>{label}</span>", share(*value) * 100.0);
    }
    out + "</div>"
}

/// A line's paths on the linear axis, in a square of 1000 by 1000.
fn drawing(index: usize, line: &Line, steps: (f64, f64), axis: (f64, f64), window: f64) -> String {
    let hidden = if line.kind == Kind::Source { " hidden" } else { "" };
    let mut out = format!("<g data-line={index} style=\"color:var(--h{})\"{hidden}>", line.hue);
    let mut draw = |class: &str, values: Vec<f64>| {
        let points = line.points.iter().zip(values);
        let points = points.map(|(point, value)| (share(point.step as f64, steps), share(value, axis)));
        let _ = write!(out, "<path class=\"{class}\" d=\"{}\"/>", path(points, class == "dots"));
    };
    match line.kind {
        Kind::Plain | Kind::Curve if line.points.len() == 1 => draw("dots", line.values()),
        Kind::Plain => draw("main", line.values()),
        Kind::Dots => {
            draw("thin", line.values());
            draw("dots", line.values());
        }
        Kind::Curve => {
            draw("raw", line.values());
            draw("main smooth", line.smooth(window));
        }
        Kind::Source => draw("source smooth", line.smooth(window)),
    }
    out + "</g>"
}

/// Path data of points in shares of width and height. A gap where a value is not finite; a point by itself is a dash
/// of no length, which round ends make a dot.
fn path(points: impl Iterator<Item = (f64, f64)>, dots: bool) -> String {
    let (mut out, mut pen, mut alone) = (String::new(), false, false);
    for (x, y) in points {
        if !drawable(y) {
            out += if alone { "h0" } else { "" };
            (pen, alone) = (false, false);
            continue;
        }
        let command = if pen && !dots { 'L' } else { 'M' };
        let (x, y) = (x * 1000.0, (1.0 - y.clamp(-1.0, 2.0)) * 1000.0);
        let _ = write!(out, "{command}{x:.1} {y:.1}{}", if dots { "h0" } else { "" });
        (pen, alone) = (true, !pen && !dots);
    }
    out + if alone { "h0" } else { "" }
}

/// What the script needs to draw again: domains and values, five digits each.
fn data(chart: &Chart, steps: (f64, f64), linear: (f64, f64), log: Option<(f64, f64)>, choice: usize) -> String {
    let short = |value: f64| format!("{value:.4e}").parse::<f64>().ok().filter(|value| drawable(*value));
    let lines = chart.lines.iter().map(|line| {
        let values = |value: fn(&Point) -> f64| line.points.iter().map(|p| short(value(p))).collect::<Vec<_>>();
        json!({
            "name": line.name,
            "x": line.points.iter().map(|point| point.step).collect::<Vec<_>>(),
            "y": values(|point| point.value),
            "mean": (line.rows_per_point > 1.0).then(|| values(|point| point.mean)),
            "rows": line.rows_per_point,
        })
    });
    let lines: Vec<_> = lines.collect();
    let data = json!({ "x": steps, "lin": linear, "log": log, "choice": choice, "windows": WINDOWS, "lines": lines });
    // No name can end the script's element.
    data.to_string().replace('<', "\\u003c")
}

// ---- Axes ----

/// An axis: its ends, and where its labels stand.
type Axis = ((f64, f64), Vec<(f64, String)>);

/// Where a value lies between the ends.
fn share(value: f64, (low, high): (f64, f64)) -> f64 {
    (value - low) / (high - low)
}

/// From and to a round number. Where a few values are far above all others, the axis ends below them, but not below
/// what is `needed`.
fn linear_axis(sorted: &[f64], needed: f64, from_zero: bool) -> Option<Axis> {
    let (mut low, mut high) = (*sorted.first()?, *sorted.last()?);
    let usual = sorted.get(sorted.len() * 95 / 100).copied().unwrap_or(high);
    let enough = needed.max(1.5 * usual);
    if sorted.len() >= 50 && enough > 0.0 && high > 3.0 * enough {
        high = enough;
    }
    if from_zero {
        (low, high) = (low.min(0.0), high.max(0.0));
    }
    if high - low <= high.abs() * 1e-6 {
        let margin = if high == 0.0 { 1.0 } else { high.abs() * 0.1 };
        (low, high) = (low - margin, high + margin);
    }
    let (ticks, gap) = nice_ticks(low, high, 6.0);
    let ends = (*ticks.first()?, *ticks.last()?);
    Some((ends, ticks.iter().map(|value| (*value, tick(*value, gap, low.abs().max(high.abs())))).collect()))
}

/// From the least positive value to the greatest, eight decades at most. `None` where there are no two.
fn log_axis(sorted: &[f64]) -> Option<Axis> {
    let high = *sorted.last()?;
    let low = sorted.iter().copied().find(|value| *value > 0.0)?.max(high * 1e-8);
    if high <= low * 1.01 {
        return None;
    }
    let margin = (high / low).powf(0.04);
    let (low, high) = (low / margin, high * margin);
    let decades = low.log10().floor() as i32..=high.log10().ceil() as i32;
    let within = |digits: &[f64]| -> Vec<f64> {
        let all = decades.clone().flat_map(|decade| digits.iter().map(move |digit| digit * 10_f64.powi(decade)));
        all.filter(|value| (low..=high).contains(value)).collect()
    };
    let finer: [&[f64]; 3] = [&[1.0], &[1.0, 2.0, 5.0], &[1.0, 1.5, 2.0, 3.0, 5.0, 7.0]];
    let mut ticks = finer.iter().map(|digits| within(digits)).find(|ticks| ticks.len() >= 4).unwrap_or_default();
    if ticks.is_empty() {
        ticks = nice_ticks(low, high, 5.0).0;
        ticks.retain(|value| (low..=high).contains(value));
    }
    Some((
        (low, high),
        ticks.iter().map(|value| (*value, if *value < 1e5 { number(*value) } else { scientific(*value) })).collect(),
    ))
}

/// Multiples of 1, 2 or 5 times a power of ten, about `count`, from at most `low` to at least `high`; and their gap.
fn nice_ticks(low: f64, high: f64, count: f64) -> (Vec<f64>, f64) {
    let least = (high - low) / count;
    let power = 10_f64.powf(least.log10().floor());
    let gap = [1.0, 2.0, 5.0].iter().map(|digit| digit * power).find(|gap| *gap >= least).unwrap_or(10.0 * power);
    let (from, to) = ((low / gap).floor(), (high / gap).ceil());
    ((0..=(to - from) as usize).map(|index| (from + index as f64) * gap).collect(), gap)
}

// ---- Numbers as text ----

/// A label of an axis that reaches to `high`: as many decimals as labels `gap` apart need.
fn tick(value: f64, gap: f64, high: f64) -> String {
    let decimals = |gap: f64| (-gap.log10()).ceil().max(0.0) as usize;
    match high.abs() {
        _ if value == 0.0 => "0".to_owned(),
        high if !(0.01..1e12).contains(&high) => scientific(value),
        high if high >= 1e6 => format!("{}M", trimmed(value / 1e6, decimals(gap / 1e6))),
        high if high >= 1e4 => format!("{}k", trimmed(value / 1e3, decimals(gap / 1e3))),
        high if high >= 1e3 && gap >= 1.0 => grouped(value),
        _ => format!("{value:.*}", decimals(gap)),
    }
}

/// About four digits.
fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 1e12 || (size < 1e-3 && size > 0.0) => scientific(value),
        size if size >= 1e3 => grouped(value),
        size => trimmed(value, (3.0 - size.max(1e-3).log10().floor()) as usize),
    }
}

/// Such as `1.5e-4`.
fn scientific(value: f64) -> String {
    let text = format!("{value:.2e}");
    let (digits, power) = text.split_once('e').unwrap_or((&text, "0"));
    format!("{}e{power}", digits.trim_end_matches('0').trim_end_matches('.'))
}

/// Without zeros at the end.
fn trimmed(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    if decimals == 0 { text } else { text.trim_end_matches('0').trim_end_matches('.').to_owned() }
}

/// A whole number in groups of three digits.
fn grouped(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut out = if value < 0.0 { "-".to_owned() } else { String::new() };
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

// ---- Answers and facts ----

fn answers(answers: &[SampleAnswer]) -> String {
    /// So many answers of a sample stand open, the newest.
    const OPEN: usize = 4;
    let mut samples: Vec<(&SampleAnswer, Vec<&SampleAnswer>)> = Vec::new();
    for answer in answers {
        let same = |other: &SampleAnswer| other.sample == answer.sample && other.question == answer.question;
        match samples.iter_mut().find(|(first, _)| same(first)) {
            Some((_, all)) => all.push(answer),
            None => samples.push((answer, vec![answer])),
        }
    }
    let mut out = String::new();
    for (first, mut all) in samples {
        all.sort_by_key(|answer| std::cmp::Reverse(answer.step));
        let name = escape(&first.sample);
        out += "<article>";
        let picture = all.iter().find_map(|answer| answer.picture.as_deref());
        if let Some(url) = picture.filter(|url| url.starts_with("data:image/")) {
            let _ = write!(out, "<img src=\"{}\" alt=\"Picture of {name}\" loading=lazy>", escape(url));
        }
        let _ = write!(out, "<div><p class=name>{name}</p><h3>{}</h3>", escape(&first.question));
        let _ = write!(
            out,
            "<table><thead><tr><th>Step<th>Answer<tbody><tr class=want><td>wanted<td>{}",
            escape(&first.want)
        );
        let (open, earlier) = all.split_at(all.len().min(OPEN));
        out += &answer_rows(open);
        out += "</table>";
        if !earlier.is_empty() {
            let _ = write!(out, "<details><summary>{} earlier</summary><table>", earlier.len());
            out += &answer_rows(earlier);
            out += "</table></details>";
        }
        out += "</div></article>";
    }
    if out.is_empty() { out } else { format!("<section><h2>Sample answers</h2>{out}</section>") }
}

fn answer_rows(answers: &[&SampleAnswer]) -> String {
    let mut out = String::new();
    for answer in answers {
        let right = answer.answer.trim() == answer.want.trim();
        let mark = if right { " <b title=\"equals what is wanted\">✓</b>" } else { "" };
        let _ = write!(out, "<tr><td>{}<td>{}{mark}", grouped(answer.step as f64), escape(&answer.answer));
    }
    out
}

fn facts(facts: &[(String, String)]) -> String {
    let mut out = String::new();
    for (name, value) in facts {
        let _ = write!(out, "<dt>{}</dt><dd>{}</dd>", escape(name), escape(value));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(step: u64, loss: f64) -> LogRow {
        LogRow { step, loss, lr: 1e-4, grad_norm: 1.0, tokens_per_second: 512.0, ..LogRow::default() }
    }

    fn run(rows: Vec<LogRow>) -> Report {
        Report { title: "A run".into(), status: "done".into(), rows, ..Report::default() }
    }

    /// The data that the script reads, by chart.
    fn charts(page: &str) -> Vec<serde_json::Value> {
        let parts = page.split("<script type=application/json>").skip(1);
        parts.map(|part| serde_json::from_str(part.split_once("</script>").unwrap().0).unwrap()).collect()
    }

    #[test]
    fn texts_are_escaped() {
        let evil = "</script><b a=\"'&{{settings}}".to_owned();
        let answer = SampleAnswer {
            sample: evil.clone(),
            question: evil.clone(),
            want: evil.clone(),
            answer: evil.clone(),
            picture: Some(format!("data:image/png;base64,{evil}")),
            ..SampleAnswer::default()
        };
        let page = html(&Report {
            title: evil.clone(),
            status: evil.clone(),
            facts: vec![(evil.clone(), evil.clone())],
            settings: "SETTINGS".into(),
            rows: vec![LogRow { by_source: vec![(0, 1.0), (7, 1.0)], ..row(1, 2.0) }],
            answers: vec![answer],
            sources: vec![evil.clone()],
            ..Report::default()
        });
        assert!(!page.contains("<b a") && !page.contains("a=\"'"));
        assert_eq!(page.matches("&lt;/script&gt;&lt;b a=&quot;&#39;&amp;{{settings}}").count(), 13);
        assert_eq!(page.matches("SETTINGS").count(), 1);
        assert_eq!(charts(&page)[0]["lines"][1]["name"], evil.as_str());
    }

    #[test]
    fn nothing_is_loaded_from_outside() {
        let picture = |url: &str| SampleAnswer { picture: Some(url.into()), ..SampleAnswer::default() };
        let mut report = run(vec![row(1, 2.0)]);
        report.answers = vec![picture("https://example.org/a.png")];
        let page = html(&report);
        assert!(!page.contains("http:") && !page.contains("https:") && !page.contains("<img"));
        report.answers = vec![picture("data:image/png;base64,AAAA")];
        assert!(html(&report).contains("<img src=\"data:image/png;base64,AAAA\""));
    }

    #[test]
    fn few_rows() {
        assert!(html(&Report::default()).contains("Nothing is logged yet"));
        let page = html(&run(vec![row(5, 2.5)]));
        assert!(page.contains("M500.0 500.0h0"), "a dot in the middle");
        let page = html(&Report { validation: vec![(10, 1.0), (20, 0.5)], ..Report::default() });
        assert!(page.contains("lowest 0.5 at step 20"));
    }

    #[test]
    fn losses_that_are_not_finite() {
        let losses = [2.0, f64::NAN, f64::INFINITY, 1.0, f64::NEG_INFINITY, 1e300, 1.5, 1.0];
        let page = html(&run((1..).zip(losses).map(|(step, loss)| row(step, loss)).collect()));
        assert!(page.contains("not a finite number in 3 of 8 logged rows, first at step 2."));
        assert!(!page.contains("NaN ") && !page.contains("inf"));
        assert_eq!(charts(&page)[0]["lines"][0]["y"], json!([2.0, null, null, 1.0, null, null, 1.5, 1.0]));
        // Gaps; the points beside them are dots.
        assert!(page.contains("<path class=\"raw\" d=\"M0.0 0.0h0M428.6 1000.0h0M857.1 500.0L1000.0 1000.0\"/>"));

        let page = html(&run((1..9).map(|step| row(step, f64::NAN)).collect()));
        assert!(page.contains("No finite values."));
    }

    #[test]
    fn long_lines_are_thinned() {
        let values = |rows: u64| (0..rows).map(|step| (step, if step == 777 { 50.0 } else { (step % 10) as f64 }));
        assert_eq!(points(values(4000), DRAWN).len(), 4000);
        for rows in [4001, 7999, 100_000] {
            let kept = points(values(rows), DRAWN);
            assert!((2000..=DRAWN).contains(&kept.len()), "{rows}: {}", kept.len());
            assert!(kept.iter().any(|point| (point.step, point.value) == (777, 50.0)));
            assert!(kept.is_sorted_by_key(|point| point.step));
        }
        let kept = points(values(100_000), DRAWN);
        assert_eq!(kept.last().map(|point| point.mean), Some(4.5)); // stretches of 50 rows
        let page = html(&run((0..50_000).map(|step| row(step, 1.0 + (step % 3) as f64)).collect()));
        assert!(page.len() < 2_000_000, "{}", page.len());
    }

    #[test]
    fn the_average_has_no_bias() {
        let flat = points((0..5).map(|step| (step, 3.0)), DRAWN);
        assert!(smoothed(&flat, 100.0).iter().all(|value| (value - 3.0).abs() < 1e-9));
        let gap = points([(0, f64::NAN), (1, 4.0), (2, f64::NAN), (3, 2.0)].into_iter(), DRAWN);
        let smooth = smoothed(&gap, 2.0);
        assert!(smooth[0].is_nan());
        assert_eq!(smooth[1..3], [4.0, 4.0]);
        assert!((smooth[3] - (0.25 * 4.0 + 0.5 * 2.0) / 0.75).abs() < 1e-9, "{smooth:?}");
    }

    #[test]
    fn a_repeated_step_counts_once() {
        let page = html(&run(vec![row(10, 3.0), row(20, 9.0), row(20, 2.0), row(30, 1.0)]));
        assert_eq!(charts(&page)[0]["lines"][0]["y"], json!([3.0, 2.0, 1.0]));
    }

    #[test]
    fn answers_stand_together_newest_first() {
        let answer = |step, text: &str| SampleAnswer {
            step,
            sample: "s".into(),
            want: "yes".into(),
            answer: text.into(),
            ..SampleAnswer::default()
        };
        let page = answers(&(1..7).map(|step| answer(step, if step > 4 { " yes" } else { "no" })).collect::<Vec<_>>());
        assert_eq!(page.matches("<article>").count(), 1);
        assert_eq!(page.matches('✓').count(), 2);
        assert!(page.contains("2 earlier"));
        assert!(page.find("<td>6").unwrap() < page.find("<td>1").unwrap());
    }

    fn labels(axis: Option<Axis>) -> Vec<String> {
        axis.unwrap().1.into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn axes_have_round_labels() {
        assert_eq!(labels(linear_axis(&[0.31, 1.9], 0.0, false)), ["0", "0.5", "1.0", "1.5", "2.0"]);
        assert_eq!(labels(linear_axis(&[1e-6, 2e-4], 0.0, true)), ["0", "5e-5", "1e-4", "1.5e-4", "2e-4"]);
        assert_eq!(labels(linear_axis(&[18e3, 19e3], 0.0, true)), ["0", "5k", "10k", "15k", "20k"]);
        assert_eq!(labels(log_axis(&[0.0, 0.4, 6.0])), ["0.5", "1", "2", "5"]);
        assert!(log_axis(&[-1.0, 0.0]).is_none() && log_axis(&[2.0, 2.0]).is_none());
        let mut spiked = vec![1.0; 99];
        spiked.push(1000.0);
        assert_eq!(linear_axis(&spiked, 3.0, true).unwrap().0.1, 3.0);
    }

    #[test]
    fn numbers_read_well() {
        let texts = [0.0, 0.84219, 45.05, 19_255.4, -1_234_567.0, 2e-4, 1.0].map(number);
        assert_eq!(texts, ["0", "0.8422", "45.05", "19,255", "-1,234,567", "2e-4", "1"]);
    }

    #[test]
    fn a_log_with_nan_reads_back() {
        let row = LogRow { by_source: vec![(0, f64::NAN), (1, 2.0)], ..row(3, f64::NAN) };
        let text = serde_json::to_string(&row).unwrap();
        let back: LogRow = serde_json::from_str(&text).unwrap();
        assert!(back.loss.is_nan() && back.by_source[0].1.is_nan());
        assert_eq!((back.step, back.lr, back.by_source[1]), (3, 1e-4, (1, 2.0)));
    }
}
