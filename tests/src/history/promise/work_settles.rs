//! Once faults have stopped every task settles, and no attempt of it is left open.

use crate::history::History;

pub(super) fn broken(history: &History) -> Vec<String> {
    let mut broken = Vec::new();
    for (id, kept) in &history.tasks {
        if !kept.status.is_settled() {
            broken.push(format!("{id} is {} on {}", kept.status, kept.agent));
        }
        let open = kept.attempts.iter().filter(|record| record.ended.is_none());
        broken.extend(open.map(|open| format!("{id} attempt {} has no end", open.attempt)));
    }
    broken
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::call::Ending;
    use crate::history::story::Story;

    #[test]
    fn a_task_that_stays_open_is_found() {
        let mut story = Story::new();
        let task = story.submitted();
        story.claimed(task);
        assert_eq!(broken(&story.history).len(), 2);

        story.reported(task, Ending::Completed);
        assert_eq!(broken(&story.history), [""; 0]);
    }
}
