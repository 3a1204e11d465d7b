//! Lists as tables for people or as JSON for programs.

use std::io::{self, IsTerminal, Write};

use clap::{Args, ValueEnum};
use comfy_table::{Table, presets};
use serde::Serialize;

/// The form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Table,
    /// For programs.
    Json,
}

/// The `--output` option that every list has.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct OutputArgs {
    /// The form of the answer
    #[arg(long, short, value_enum, default_value = "table", value_name = "FORM")]
    pub(crate) output: Format,
}

/// Something that has a line in a table.
pub(crate) trait Row {
    /// What its lines are called, for an empty list: `tasks`.
    const PLURAL: &'static str;
    /// The columns.
    const HEADER: &'static [&'static str];

    /// Its line.
    fn cells(&self) -> Vec<String>;
}

/// Prints a list in the wanted form.
pub(crate) fn print_list<T: Row + Serialize>(format: Format, items: &[T]) -> anyhow::Result<()> {
    match format {
        Format::Json => print_json(items),
        Format::Table if items.is_empty() => Ok(writeln!(io::stdout(), "No {}.", T::PLURAL)?),
        Format::Table => Ok(writeln!(io::stdout(), "{}", table(T::HEADER, items.iter().map(Row::cells)))?),
    }
}

/// Prints any answer as JSON.
pub(crate) fn print_json<T: Serialize + ?Sized>(value: &T) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(value)?;
    Ok(writeln!(io::stdout(), "{text}")?)
}

/// A table without borders, as wide as its content.
pub(crate) fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(header.to_vec());
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

/// Whether a person sees the output as it comes.
pub(crate) fn on_a_terminal() -> bool {
    io::stdout().is_terminal() && io::stderr().is_terminal()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_no_borders_and_no_trailing_blanks() {
        let rows = [vec!["vm1".to_owned(), "ready".to_owned()], vec!["localhost-docker".to_owned(), "down".to_owned()]];
        assert_eq!(
            table(&["HOST", "STATE"], rows),
            "HOST              STATE\nvm1               ready\nlocalhost-docker  down"
        );
    }
}
