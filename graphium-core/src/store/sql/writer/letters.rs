//! Submitting what other programs have left in the inbox.

use super::Writer;
use crate::clock::Clock;
use crate::store::sql::command::chain;
use crate::store::sql::database::Database;
use crate::store::sql::error::SqlError;
use crate::store::sql::inbox::{Letter, Opened};

impl<D: Database> Writer<D> {
    /// Submits what others have left in the inbox.
    pub(super) async fn open_letters(&mut self) {
        // Until a restored store is confirmed, letters stay where they are.
        if self.stale || self.engine.is_held() {
            return;
        }
        let again = std::mem::take(&mut self.letters_left);
        match self.database.letters(again).await {
            Ok(letters) if letters.is_empty() => {}
            Ok(letters) => self.submit_letters(letters).await,
            Err(error) => tracing::warn!(error = %chain(&error), "the inbox cannot be read"),
        }
    }

    async fn submit_letters(&mut self, letters: Vec<Letter>) {
        self.land_all().await;
        if self.stale {
            return;
        }
        // What is left of more letters than are taken at a time is looked at next.
        self.letters_left = true;
        let last_wait = self.waiting.last();
        self.engine.advance(self.setup.clock.now());
        let (mut opened, mut loaded) = (Opened::default(), Vec::new());
        for letter in letters {
            let asked = letter.submission(|stack| Some(self.engine.life(stack)?.newest));
            let submitted = match asked {
                Ok(submission) => {
                    let brought = self.load_for(|engine, needs| engine.need_for_submission(&submission, needs)).await;
                    brought.map(|ids| {
                        loaded.extend(ids);
                        self.engine.submit(submission).map_err(|error| error.to_string())
                    })
                }
                Err(problem) => Ok(Err(problem)),
            };
            let submitted = match submitted {
                // What it refers to cannot be read back, now or later.
                Err(error @ SqlError::Corrupt { .. }) => Ok(Err(chain(&error))),
                submitted => submitted,
            };
            match submitted {
                Ok(Ok(_)) => opened.taken.push(letter.key),
                Ok(Err(problem)) => {
                    tracing::warn!(key = letter.key, problem, "a letter in the inbox is refused");
                    opened.refused.push((letter, problem));
                }
                Err(error) => tracing::warn!(key = letter.key, error = %chain(&error), "a letter stays in the inbox"),
            }
        }
        let answers = self.serve();
        self.keep(answers, loaded, last_wait, &opened).await;
    }
}
