//! What the demo tells, line by line: phases, ticks and times.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use tokio::time::Instant;

use crate::duration::took;

/// Where the times begin. A longer line pushes its time to the right.
const TIME_COLUMN: usize = 88;

/// Prints the story.
#[derive(Debug)]
pub(super) struct Narrator {
    colours: bool,
    phase: usize,
    step_began: Instant,
}

#[derive(Debug, Clone, Copy)]
enum Colour {
    Green,
    Red,
    Yellow,
    Bold,
    Dim,
}

impl Narrator {
    pub(super) fn new() -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { colours: wanted && io::stdout().is_terminal(), phase: 0, step_began: Instant::now() }
    }

    /// The first line.
    pub(super) fn title(&self, text: &str) -> io::Result<()> {
        writeln!(io::stdout(), "{}", self.paint(Colour::Bold, text))
    }

    /// Opens a phase.
    pub(super) fn phase(&mut self, title: impl Display) -> io::Result<()> {
        self.phase += 1;
        self.step_began = Instant::now();
        let title = format!("{}. {title}", self.phase);
        writeln!(io::stdout(), "\n{}", self.paint(Colour::Bold, &title))
    }

    /// Something is done; its time is what went by since the line before it.
    pub(super) fn done(&mut self, text: impl Display) -> io::Result<()> {
        let time = self.lap();
        self.timed(Colour::Green, "✔", &text.to_string(), time)
    }

    /// Something was done to it on purpose, or went wrong.
    pub(super) fn broken(&mut self, text: impl Display) -> io::Result<()> {
        let time = self.lap();
        self.timed(Colour::Red, "✘", &text.to_string(), time)
    }

    /// Something that must not be overlooked.
    pub(super) fn warn(&mut self, text: impl Display) -> io::Result<()> {
        writeln!(io::stdout(), "   {} {text}", self.paint(Colour::Yellow, "!"))
    }

    /// More to know.
    pub(super) fn say(&self, text: impl Display) -> io::Result<()> {
        for line in text.to_string().lines() {
            writeln!(io::stdout(), "   {line}")?;
        }
        Ok(())
    }

    /// The last line.
    pub(super) fn end(&self, well: bool, text: impl Display) -> io::Result<()> {
        let colour = if well { Colour::Green } else { Colour::Red };
        writeln!(io::stdout(), "\n{}", self.paint(colour, &text.to_string()))
    }

    fn lap(&mut self) -> Duration {
        let now = Instant::now();
        now - std::mem::replace(&mut self.step_began, now)
    }

    fn timed(&self, colour: Colour, mark: &str, text: &str, time: Duration) -> io::Result<()> {
        let time = self.paint(Colour::Dim, &format!("{:>8}", took(time)));
        writeln!(io::stdout(), "   {} {text:<TIME_COLUMN$} {time}", self.paint(colour, mark))
    }

    fn paint(&self, colour: Colour, text: &str) -> String {
        if !self.colours {
            return text.to_owned();
        }
        let code = match colour {
            Colour::Bold => 1,
            Colour::Dim => 2,
            Colour::Red => 31,
            Colour::Green => 32,
            Colour::Yellow => 33,
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}
