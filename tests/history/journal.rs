//! The journal of a process: each question before it is asked, each answer before anything is made of it.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use graphium_tests::history::call::{Answer, Line, Question, Said};
use rustix::time::{ClockId, clock_gettime};

/// A file that only grows. A line is written at once, so that it is there however the process ends.
#[derive(Debug)]
pub(crate) struct Journal {
    file: Mutex<File>,
    calls: AtomicU64,
}

/// Nanoseconds of the clock that all processes share and nobody sets. Asked of the system itself, so that whoever plays
/// with the clocks of the process does not touch it.
fn now() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    u64::try_from(now.tv_sec * 1_000_000_000 + now.tv_nsec).expect("it counts from the start of the machine")
}

impl Journal {
    pub(crate) fn open(path: &Path) -> std::io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Self { file: Mutex::new(file), calls: AtomicU64::new(0) })
    }

    /// Notes that a question is about to be asked; answers with the number of the call.
    pub(crate) fn asked(&self, question: Question) -> u64 {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        self.write(call, Said::Asked(question));
        call
    }

    /// Notes what was heard.
    pub(crate) fn heard(&self, call: u64, answer: Answer) {
        self.write(call, Said::Heard(answer));
    }

    fn write(&self, call: u64, said: Said) {
        let mut file = self.file.lock().expect("nobody panics while holding it");
        let line = serde_json::to_string(&Line { at: now(), call, said }).expect("a line is JSON");
        file.write_all((line + "\n").as_bytes()).expect("without its journal a process proves nothing");
    }
}
