//! Charts as SVG, and what the script needs to draw them again.

use super::axis::{linear_axis, log_axis, nice_ticks, share};
use super::line::{DRAWN, Kind, Line, Point, WINDOWS, default_window, drawable};
use super::number::{number, tick};
use super::page::escape;
use super::{LogRow, Report};
use serde_json::json;
use std::fmt::Write;

/// Hues of `--h0` … in the template: 0 is the main line's, 1 the validation's, the others are for sources.
const HUES: usize = 10;

struct Chart {
    title: &'static str,
    unit: &'static str,
    /// Whether the linear axis starts at 0.
    from_zero: bool,
    /// Whether a logarithmic axis can be chosen.
    log: bool,
    lines: Vec<Line>,
}

/// All charts of a run.
pub(super) fn curves(run: &Report) -> String {
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
    if !run.scores.is_empty() {
        let mut lines = Vec::new();
        for (index, (name, scores)) in run.scores.iter().enumerate() {
            let points = scores.iter().map(|(step, score)| (*step, 100.0 * score));
            lines.push(Line::new(name, Kind::Dots, index % HUES, points));
        }
        charts.push(chart("Scores", "% right", true, false, lines));
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

#[cfg(test)]
mod tests {
    use super::super::html;
    use super::super::tests::{charts, row, run};
    use super::*;

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
}
