//! Markdown tables.

use crate::summary::{Row, Spread, Summary};

/// The cases with their figures: the median and, where runs differ, the least and the most.
pub(crate) fn markdown(summary: &Summary) -> String {
    let mut labels: Vec<&str> = Vec::new();
    let mut figures: Vec<&str> = Vec::new();
    for row in &summary.0 {
        for (name, _) in &row.case.0 {
            if !labels.contains(&name.as_str()) {
                labels.push(name);
            }
        }
        for spread in &row.figures {
            if !figures.contains(&spread.name.as_str()) {
                figures.push(&spread.name);
            }
        }
    }
    let header = labels.iter().chain(&figures).map(ToString::to_string).collect::<Vec<_>>();
    let rows = summary.0.iter().map(|row| {
        let case = labels.iter().map(|name| row.case.get(name).to_owned());
        let values = figures.iter().map(|name| row.spread(name).map_or_else(|| "—".into(), cell));
        case.chain(values).collect()
    });
    let mut text = grid(&header, labels.len(), rows);
    let notes =
        |row: &Row| row.notes.iter().map(|note| format!("\n- {}: {note}", row.case.label())).collect::<String>();
    let notes = summary.0.iter().map(notes).collect::<String>();
    if !notes.is_empty() {
        text.push_str(&notes);
        text.push('\n');
    }
    text
}

fn cell(spread: &Spread) -> String {
    let [median, least, most] = [spread.median, spread.least, spread.most].map(|value| spread.unit.write(value));
    if least == most { median } else { format!("{median} ({least}–{most})") }
}

/// A table; the columns from `numbers` on are aligned to the right.
pub(crate) fn grid(header: &[String], numbers: usize, rows: impl Iterator<Item = Vec<String>>) -> String {
    let rule = (0..header.len()).map(|column| if column < numbers { "---" } else { "---:" }.to_owned()).collect();
    let lines = [header.to_vec(), rule].into_iter().chain(rows);
    lines.map(|cells| format!("| {} |\n", cells.join(" | "))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{Case, Figure, Finding, Sample, Unit};
    use crate::summary;

    #[test]
    fn a_table_shows_labels_then_medians_with_their_spread_and_a_dash_for_what_is_missing() {
        let run = |position, run, figures| {
            let case = Case::default().with("store", if position == 0 { "memory" } else { "SQLite" });
            Sample { position, run, case, finding: Finding::from(figures) }
        };
        let rate = |value| Figure::new("lives/s", Unit::PerSecond, value);
        let samples = [
            run(0, 0, vec![rate(1000.0)]),
            run(0, 1, vec![rate(3000.0)]),
            run(1, 0, vec![rate(5.0), Figure::new("p99", Unit::Millis, 1.5)]),
        ];
        let table = markdown(&summary::of(&samples));
        assert_eq!(
            table,
            "| store | lives/s | p99 |\n| --- | ---: | ---: |\n| memory | 2,000 (1,000–3,000) | — |\n| SQLite | 5 | 1.50 ms |\n"
        );
    }

    #[test]
    fn what_a_run_has_to_say_stands_once_below_the_table() {
        let case = Case::default().with("peer", "x");
        let finding = Finding { figures: Vec::new(), note: Some("cannot be installed".into()) };
        let samples = [0, 1].map(|run| Sample { position: 0, run, case: case.clone(), finding: finding.clone() });
        let table = markdown(&summary::of(&samples));
        assert_eq!(table, "| peer |\n| --- |\n| x |\n\n- peer x: cannot be installed\n");
    }
}
