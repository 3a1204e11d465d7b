//! A process that goes on while a test reads what it says.

use std::io::{BufRead, BufReader, Lines, Read};
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::graphium::{Ran, end_of, send};

/// A running process. Ended when it is dropped before its end.
#[derive(Debug)]
pub(crate) struct Talking {
    child: Child,
    /// None once nobody listens any more.
    lines: Option<Lines<BufReader<ChildStdout>>>,
    said: Vec<String>,
}

impl Talking {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = Some(BufReader::new(child.stdout.take().unwrap()).lines());
        Self { child, lines, said: Vec::new() }
    }

    /// Reads on until a line holds this, and answers with the line.
    pub(crate) fn until(&mut self, text: &str) -> String {
        for line in self.lines.iter_mut().flatten() {
            self.said.push(line.unwrap());
            let line = self.said.last().unwrap();
            if line.contains(text) {
                return line.clone();
            }
        }
        let mut errors = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
        panic!("{text:?} was not said, but:\n{}\n{errors}", self.said.join("\n"));
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: &str) {
        send(&self.child, signal);
    }

    /// Closes the ear while it still talks, as `head` does, and waits for its end.
    pub(crate) fn unheard(mut self) -> String {
        self.lines = None;
        let mut err = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        end_of(&mut self.child);
        err
    }

    /// Reads on to the end, and waits for it.
    pub(crate) fn end(mut self) -> Ran {
        self.said.extend(self.lines.iter_mut().flatten().map_while(Result::ok));
        let mut err = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        let code = end_of(&mut self.child).code().unwrap_or(-1);
        Ran { code, out: self.said.join("\n"), err }
    }
}

impl Drop for Talking {
    /// A test that fails in the middle must not leave containers: the process gets the time to remove them.
    fn drop(&mut self) {
        if std::thread::panicking() && self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            send(&self.child, "INT");
            // Whoever is not read cannot go on.
            self.lines.iter_mut().flatten().map_while(Result::ok).for_each(drop);
        }
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
