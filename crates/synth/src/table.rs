//! Tables: two to four columns and two to five rows below a header, and what is asked of them.

use crate::{
    Kit, Random, Sample, Split, Turn,
    chart::{self, At, Page},
    colours::hsv,
    reading::turn,
    wear::{Keep, wear},
};

/// A table's content: the first column holds the rows' names, the others numbers.
struct Table {
    /// Of the columns, but the first.
    headers: Vec<String>,
    names: Vec<String>,
    /// A column after the other.
    columns: Vec<Vec<u32>>,
}

/// A table, with one to three turns.
pub(crate) fn table(kit: &Kit, random: &mut Random, split: Split) -> Sample {
    let (width, height) = chart::size(random);
    let (width, height) = (width.max(height), width.min(height));
    let mut page = Page::new(kit, random, split, width, height);
    let rows = random.between(2, 5);
    let columns = *random.pick(&[1, 1, 2, 2, 3]);
    let mut content = Table::pick(random, rows, columns);
    let mut widths = content.widths(&page);
    for _ in 0..20 {
        if widths.iter().sum::<f64>() <= page.width - 4.0 {
            break;
        }
        let columns = content.headers.len().saturating_sub(1).max(1);
        content = Table::pick(random, rows, columns);
        widths = content.widths(&page);
    }
    content.draw(&mut page, random, &widths);
    let turns = content.ask(random, split);
    Sample { pictures: vec![wear(page.canvas.into_rgb(), Keep::Colours, random)], turns, fps: None }
}

/// A column's numbers: all different, of about one magnitude.
fn numbers(random: &mut Random, rows: usize) -> Vec<u32> {
    let most = *random.pick(&[9, 20, 50, 99, 100, 500, 999]);
    let mut numbers: Vec<u32> = Vec::new();
    while numbers.len() < rows {
        let number = random.between(1 + most / 20, most) as u32;
        if !numbers.contains(&number) {
            numbers.push(number);
        }
    }
    numbers
}

impl Table {
    fn pick(random: &mut Random, rows: usize, columns: usize) -> Table {
        let mut headers: Vec<String> = Vec::new();
        while headers.len() < columns {
            let header = chart::measure(random).to_owned();
            if !headers.contains(&header) {
                headers.push(header);
            }
        }
        let names = chart::labels(random, rows, false, |label| label.len() <= 7);
        let columns = (0..columns).map(|_| numbers(random, rows)).collect();
        Table { headers, names, columns }
    }

    /// The columns' widths, in pixels.
    fn widths(&self, page: &Page) -> Vec<f64> {
        let widest = |texts: &mut dyn Iterator<Item = String>| {
            texts.map(|text| page.width_of(&text)).fold(0.0, f64::max) + 1.6 * page.letters
        };
        let mut widths = vec![widest(&mut self.names.iter().cloned())];
        for (header, column) in self.headers.iter().zip(&self.columns) {
            widths.push(widest(&mut column.iter().map(u32::to_string).chain([header.clone()])));
        }
        widths
    }

    fn draw(&self, page: &mut Page, random: &mut Random, widths: &[f64]) {
        let rows = self.names.len() + 1;
        let needed: f64 = widths.iter().sum();
        let wide = random.range(needed, page.width - 4.0).max(needed);
        let high = random.range(1.9, 2.6).min(0.96 * page.height / (rows as f64 * page.letters)) * page.letters;
        let left = random.unit() * (page.width - wide).max(0.0);
        let top = random.unit() * (page.height - high * rows as f64).max(0.0);
        let header = (page.ground.oklab()[0] > 0.6 && random.chance(0.5))
            .then(|| hsv(random.range(0.0, 360.0), random.range(0.05, 0.3), random.range(0.86, 0.97)));
        if let Some(colour) = header {
            page.canvas.rectangle(left, top, wide, high, colour);
        }
        let (lying, upright) = *random.pick(&[(true, true), (true, false), (true, true), (false, false)]);
        let line = page.ground.mix(page.ink, random.range(0.3, 0.9));
        let mut x = left;
        for (at, width) in widths.iter().enumerate() {
            let width = width * wide / needed;
            for row in 0..rows {
                let y = top + (row as f64 + 0.5) * high;
                page.label(&self.cell(at, row), x + width / 2.0, y, At::Centre, page.ink);
            }
            if upright {
                page.canvas.line((x, top), (x, top + high * rows as f64), line, 1.0);
            }
            x += width;
        }
        if upright {
            page.canvas.line((x, top), (x, top + high * rows as f64), line, 1.0);
        }
        for row in 0..=rows {
            if lying || row == 1 {
                let y = top + row as f64 * high;
                page.canvas.line((left, y), (left + wide, y), line, if row == 1 { 1.6 } else { 1.0 });
            }
        }
    }

    /// What is written in a cell; the header is row 0, the names are column 0.
    fn cell(&self, column: usize, row: usize) -> String {
        let text = match (column.checked_sub(1), row.checked_sub(1)) {
            (None, None) => None,
            (None, Some(row)) => self.names.get(row).cloned(),
            (Some(column), None) => self.headers.get(column).cloned(),
            (Some(column), Some(row)) => self.columns.get(column).and_then(|c| c.get(row)).map(u32::to_string),
        };
        text.unwrap_or_default()
    }

    fn ask(&self, random: &mut Random, split: Split) -> Vec<Turn> {
        let mut turns: Vec<Turn> = Vec::new();
        for _ in 0..random.between(1, 3) {
            let turn = self.turn(random, split);
            if turns.iter().all(|other| other.question != turn.question && other.skill != turn.skill) {
                turns.push(turn);
            }
        }
        turns
    }

    fn turn(&self, random: &mut Random, split: Split) -> Turn {
        let (column, row) = (random.below(self.columns.len()), random.below(self.names.len()));
        let values = self.columns.get(column).map_or(&[][..], Vec::as_slice);
        let value = values.get(row).copied().unwrap_or(0);
        let header = self.headers.get(column).map_or("", String::as_str).to_lowercase();
        let name = |row: usize| self.names.get(row).map_or("", String::as_str);
        let kind = random.below(10);
        let mut ask = |skill, section, fills: &[(&str, &str)], answer: &str| {
            turn(skill, section, split, random, fills, answer, Vec::new())
        };
        let by_value = |row: &usize| values.get(*row).copied().unwrap_or(0);
        let rows = 0..self.names.len();
        match kind {
            0..=3 => ask("table-cell", "table.cell", &[("row", name(row)), ("column", &header)], &value.to_string()),
            4 | 5 => {
                let most = rows.max_by_key(by_value).unwrap_or(0);
                ask("table-most", "table.most", &[("column", &header)], name(most))
            }
            6 => {
                let least = rows.min_by_key(by_value).unwrap_or(0);
                ask("table-least", "table.least", &[("column", &header)], name(least))
            }
            7 => ask("table-rows", "table.rows", &[], &self.names.len().to_string()),
            8 => ask("table-columns", "table.columns", &[], &(self.headers.len() + 1).to_string()),
            _ => ask("table-row-of", "table.row-of", &[("column", &header), ("value", &value.to_string())], name(row)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_and_answers_agree() {
        let table = Table {
            headers: vec!["Sales".into(), "Cost".into()],
            names: vec!["Ann".into(), "Ben".into()],
            columns: vec![vec![3, 8], vec![70, 40]],
        };
        assert_eq!([table.cell(0, 0), table.cell(0, 2), table.cell(2, 0), table.cell(2, 1)], ["", "Ben", "Cost", "70"]);
        let mut random = Random::new(25, 26);
        for _ in 0..300 {
            let turn = table.turn(&mut random, Split::Test);
            let sales = turn.question.contains("sales");
            let right = match turn.skill {
                "table-most" => {
                    if sales {
                        "Ben"
                    } else {
                        "Ann"
                    }
                }
                "table-least" => {
                    if sales {
                        "Ann"
                    } else {
                        "Ben"
                    }
                }
                "table-rows" => "2",
                "table-columns" => "3",
                "table-cell" => match (sales, turn.question.contains("Ann")) {
                    (true, true) => "3",
                    (true, false) => "8",
                    (false, true) => "70",
                    (false, false) => "40",
                },
                _ => {
                    if ["3", "70"].iter().any(|value| turn.question.contains(value)) {
                        "Ann"
                    } else {
                        "Ben"
                    }
                }
            };
            assert_eq!(turn.answer, right, "{}", turn.question);
        }
    }

    #[test]
    fn numbers_differ() {
        let mut random = Random::new(27, 28);
        for _ in 0..200 {
            let mut numbers = numbers(&mut random, 5);
            numbers.sort_unstable();
            assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]) && numbers[0] > 0);
        }
    }
}
