//! Tables for people: as wide as they need, or as the terminal is; then the last column gives way. Colours only on a terminal
//! that has them, and never with `NO_COLOR`.

use console::{Style, Term};

/// The least that is left of the last column.
const LAST_MIN: usize = 12;
const GAP: &str = "  ";

/// A cell: its text, and how it is shown.
#[derive(Debug, Clone)]
pub(super) struct Cell {
    text: String,
    style: Style,
}

pub(super) struct Table {
    heads: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        // A line of a table is a line, whatever is told in it.
        let text = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        Self { text, style: Style::new() }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl Cell {
    pub fn styled(self, style: Style) -> Self {
        Self { style, ..self }
    }

    /// A job's status in its colour; the word alone says it as well.
    pub fn status(status: &str) -> Self {
        let style = match status {
            "completed" | "replayed" | "dropped" => Style::new().green(),
            "failed" => Style::new().red(),
            "cancelled" | "skipped" => Style::new().dim(),
            "processing" => Style::new().cyan(),
            _ => Style::new(),
        };
        Self::from(status).styled(style)
    }
}

impl Table {
    pub fn new(heads: &[&'static str]) -> Self {
        Self { heads: heads.to_vec(), rows: Vec::new() }
    }

    pub fn add(&mut self, row: Vec<Cell>) {
        self.rows.push(row);
    }

    pub fn print(&self) {
        let out = Term::stdout();
        // Elsewhere than on a terminal whoever reads it cuts as they like.
        let width = out.size_checked().filter(|_| out.is_term()).map(|(_, columns)| usize::from(columns));
        for line in self.lines(width) {
            out!("{line}");
        }
    }

    fn lines(&self, width: Option<usize>) -> Vec<String> {
        let columns = self.heads.len();
        let widths: Vec<usize> = (0..columns)
            .map(|column| {
                let cells = self.rows.iter().filter_map(|row| row.get(column));
                let widest = cells.map(|cell| cell.text.chars().count()).max().unwrap_or(0);
                widest.max(self.heads[column].chars().count())
            })
            .collect();
        let before: usize = widths.iter().take(columns.saturating_sub(1)).map(|width| width + GAP.len()).sum();
        let last = width.map_or(usize::MAX, |width| width.saturating_sub(before).max(LAST_MIN));
        let head = self.heads.iter().map(|head| Cell::from(*head).styled(Style::new().bold())).collect();
        std::iter::once(&head).chain(&self.rows).map(|row| line(row, &widths, last)).collect()
    }
}

fn line(row: &[Cell], widths: &[usize], last: usize) -> String {
    let mut line = String::new();
    for (n, (cell, width)) in row.iter().zip(widths).enumerate() {
        let is_last = n + 1 == widths.len();
        let text = if is_last { cut(&cell.text, last) } else { cell.text.clone() };
        let length = text.chars().count();
        line.push_str(&cell.style.apply_to(text).to_string());
        if !is_last {
            line.push_str(&" ".repeat(width.saturating_sub(length)));
            line.push_str(GAP);
        }
    }
    line.trim_end().to_owned()
}

fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{kept}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(&["JOB", "ERROR"]);
        table.add(vec!["job_1".into(), "a long reason,\nover two lines".into()]);
        table.add(vec!["a".into(), "".into()]);
        table
    }

    #[test]
    fn columns_stand_under_their_heads_and_the_last_gives_way() {
        console::set_colors_enabled(false);
        let lines = table().lines(None);
        assert_eq!(lines, ["JOB    ERROR", "job_1  a long reason, over two lines", "a"]);
        let narrow = table().lines(Some(20));
        assert_eq!(narrow[1], "job_1  a long reaso…");
        assert_eq!(table().lines(Some(3))[1], "job_1  a long reas…", "something is left of it");
    }
}
