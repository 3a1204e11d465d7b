//! Plots: groups of bars, each the median of a figure with a whisker from the least to the most.

use std::path::Path;

use anyhow::anyhow;
use plotters::prelude::*;

use crate::sample::Unit;
use crate::summary::{Spread, Summary};

const SIZE: (u32, u32) = (820, 380);
const COLOURS: [RGBColor; 7] = [
    RGBColor(31, 119, 180),
    RGBColor(255, 127, 14),
    RGBColor(44, 160, 44),
    RGBColor(214, 39, 40),
    RGBColor(148, 103, 189),
    RGBColor(140, 86, 75),
    RGBColor(127, 127, 127),
];
/// How much of the room of a group its bars take.
const FILLED: f64 = 0.8;

/// What tells bars apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    /// The value of a label.
    Label(&'static str),
    /// The figure itself.
    Figure,
}

/// A plot of a part.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Plot {
    /// Its file, without the ending.
    pub(crate) file: &'static str,
    pub(crate) title: &'static str,
    /// The figures that are shown, all of one unit.
    pub(crate) figures: &'static [&'static str],
    /// What stands together.
    pub(crate) group: By,
    /// What has a colour.
    pub(crate) colour: By,
    /// Whether each line of the grid is ten times the one before.
    pub(crate) logarithmic: bool,
}

/// A bar: the number of its group, the number of its colour, and how high it is.
#[derive(Debug, Clone, PartialEq)]
struct Bar<'a> {
    group: usize,
    colour: usize,
    spread: &'a Spread,
}

/// The bars with the names of groups and colours.
#[derive(Debug, Default)]
struct Bars<'a> {
    groups: Vec<&'a str>,
    colours: Vec<&'a str>,
    bars: Vec<Bar<'a>>,
}

fn bars<'a>(plot: &Plot, summary: &'a Summary) -> Bars<'a> {
    let mut bars = Bars::default();
    for row in &summary.0 {
        for spread in row.figures.iter().filter(|spread| plot.figures.contains(&spread.name.as_str())) {
            let name = |by| match by {
                By::Label(label) => row.case.get(label),
                By::Figure => spread.name.as_str(),
            };
            let group = place(&mut bars.groups, name(plot.group));
            let colour = place(&mut bars.colours, name(plot.colour));
            bars.bars.push(Bar { group, colour, spread });
        }
    }
    bars
}

fn place<'a>(names: &mut Vec<&'a str>, name: &'a str) -> usize {
    names.iter().position(|known| *known == name).unwrap_or_else(|| {
        names.push(name);
        names.len() - 1
    })
}

/// Draws the plot into this folder. Answers whether there was something to draw.
pub(crate) fn draw(plot: &Plot, summary: &Summary, folder: &Path) -> anyhow::Result<bool> {
    let bars = bars(plot, summary);
    let Some(first) = bars.bars.first() else { return Ok(false) };
    let unit = first.spread.unit;
    let highest = bars.bars.iter().map(|bar| bar.spread.most).fold(f64::MIN_POSITIVE, f64::max);
    let lowest = bars.bars.iter().map(|bar| bar.spread.least).filter(|value| *value > 0.0).fold(highest, f64::min);
    std::fs::create_dir_all(folder)?;
    let path = folder.join(format!("{}.svg", plot.file));
    let area = SVGBackend::new(&path, SIZE).into_drawing_area();
    area.fill(&WHITE).map_err(fault)?;
    let mut builder = ChartBuilder::on(&area);
    builder.caption(plot.title, ("sans-serif", 18)).margin(12).x_label_area_size(28).y_label_area_size(78);
    let across = -0.5..span(bars.groups.len()) - 0.5;
    if plot.logarithmic {
        // A whole power of ten, so that the least bar has some height.
        let floor = 10f64.powf((lowest / 1.5).log10().floor());
        let chart = builder.build_cartesian_2d(across, (floor..highest * 1.3).log_scale()).map_err(fault)?;
        fill(chart, &bars, unit, floor)?;
    } else {
        let chart = builder.build_cartesian_2d(across, 0.0..highest * 1.1).map_err(fault)?;
        fill(chart, &bars, unit, 0.0)?;
    }
    area.present().map_err(fault)?;
    Ok(true)
}

type Chart<'a, 'b, Y> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<plotters::coord::types::RangedCoordf64, Y>>;

fn fill<'b, Y>(mut chart: Chart<'b, 'b, Y>, bars: &Bars<'_>, unit: Unit, floor: f64) -> anyhow::Result<()>
where
    Y: Ranged<ValueType = f64> + plotters::coord::ranged1d::ValueFormatter<f64>,
{
    let name = |x: &f64| {
        let index = (0..bars.groups.len()).find(|index| (span(*index) - x).abs() < 0.01);
        index.map_or_else(String::new, |index| bars.groups[index].to_owned())
    };
    chart
        .configure_mesh()
        .disable_x_mesh()
        .x_labels(2 * bars.groups.len() + 1)
        .x_label_formatter(&name)
        .y_label_formatter(&|value| unit.write(*value))
        .label_style(("sans-serif", 13))
        .draw()
        .map_err(fault)?;
    let width = FILLED / span(bars.colours.len());
    for (index, name) in bars.colours.iter().enumerate() {
        let colour = COLOURS[index % COLOURS.len()];
        let own = || bars.bars.iter().filter(move |bar| bar.colour == index);
        let left = |bar: &Bar<'_>| span(bar.group) - FILLED / 2.0 + width * span(index);
        let boxes = own().map(|bar| {
            let corners = [(left(bar) + width * 0.04, floor), (left(bar) + width * 0.96, bar.spread.median.max(floor))];
            Rectangle::new(corners, colour.filled())
        });
        let drawn = chart.draw_series(boxes).map_err(fault)?;
        if bars.colours.len() > 1 {
            let key = move |(x, y)| Rectangle::new([(x, y - 5), (x + 10, y + 5)], colour.filled());
            drawn.label(*name).legend(key);
        }
        let whiskers = own().map(|bar| {
            let middle = left(bar) + width / 2.0;
            let ends = [(middle, bar.spread.least.max(floor)), (middle, bar.spread.most.max(floor))];
            PathElement::new(ends, BLACK)
        });
        chart.draw_series(whiskers).map_err(fault)?;
    }
    if bars.colours.len() > 1 {
        let mut key = chart.configure_series_labels();
        key.position(SeriesLabelPosition::UpperLeft).border_style(BLACK.mix(0.3)).background_style(WHITE.mix(0.8));
        key.label_font(("sans-serif", 13)).draw().map_err(fault)?;
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "a handful of bars")]
fn span(count: usize) -> f64 {
    count as f64
}

fn fault(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow!("the plot cannot be drawn: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{Case, Figure, Sample};
    use crate::summary;

    const PLOT: Plot = Plot {
        file: "lives",
        title: "Lives by callers",
        figures: &["lives/s"],
        group: By::Label("callers"),
        colour: By::Label("store"),
        logarithmic: false,
    };

    fn summary() -> Summary {
        let run = |position, callers: &str, store: &str, value| {
            let finding = vec![Figure::new("lives/s", Unit::PerSecond, value)].into();
            Sample { position, run: 0, case: Case::default().with("callers", callers).with("store", store), finding }
        };
        let runs = [run(0, "1", "memory", 10.0), run(1, "64", "memory", 500.0), run(2, "64", "SQLite", 400.0)];
        summary::of(&runs)
    }

    #[test]
    fn a_plot_names_its_title_groups_and_colours_on_either_scale() {
        for logarithmic in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            assert!(draw(&Plot { logarithmic, ..PLOT }, &summary(), folder.path()).unwrap());
            let text = std::fs::read_to_string(folder.path().join("lives.svg")).unwrap();
            for word in ["Lives by callers", "64", "memory", "SQLite"] {
                assert!(text.contains(word), "{word} is missing: {text}");
            }
        }
    }

    #[test]
    fn a_plot_of_nothing_is_not_drawn() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!draw(&PLOT, &Summary::default(), folder.path()).unwrap());
        assert!(!folder.path().join("lives.svg").exists());
    }
}
