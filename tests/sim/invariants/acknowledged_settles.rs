//! Once faults stop, every task whose submission was answered settles, and every process ends as asked.

use crate::record::Story;

pub(super) fn broken(story: &Story) -> Vec<String> {
    let mut broken = story.complaints.clone();
    for id in &story.acknowledged {
        match story.tasks.get(id) {
            Some(task) if task.state.is_settled() => {}
            other => broken.push(format!("{id} is {other:?}")),
        }
    }
    broken
}
