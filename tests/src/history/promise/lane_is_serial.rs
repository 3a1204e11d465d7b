//! At most one task of a lane is held at a time, and none after one of a higher generation was.

use std::collections::BTreeMap;

use graphium_core::task::TaskStatus;

use crate::history::{History, is_held};

pub(super) fn broken(history: &History) -> Vec<String> {
    let mut busy = BTreeMap::new();
    let mut newest = BTreeMap::new();
    let mut broken = Vec::new();
    for update in history.updates() {
        let Some(kept) = history.tasks.get(&update.task) else { continue };
        let Some(lane) = kept.lane.as_deref() else { continue };
        if is_held(update.to) {
            let holder = *busy.entry(lane).or_insert(update.task);
            if holder != update.task {
                broken.push(format!("event {}: lane {lane} has {holder} and {}", update.seq, update.task));
            }
        } else if busy.get(lane) == Some(&update.task) {
            busy.remove(lane);
        }
        if let Some(generation) = kept.generation.filter(|_| update.to == TaskStatus::Assigned) {
            let newest = newest.entry(lane).or_insert(generation);
            if generation < *newest {
                broken.push(format!("event {}: {} of {generation} came after {newest}", update.seq, update.task));
            }
            *newest = generation.max(*newest);
        }
    }
    broken
}

#[cfg(test)]
mod tests {
    use graphium_core::id::{Generation, TaskId};

    use super::*;
    use crate::history::call::Ending;
    use crate::history::story::Story;

    fn in_lane(story: &mut Story, generation: u64) -> TaskId {
        let task = story.submitted();
        let kept = story.kept(task);
        kept.lane = Some("vm1/shop/web/0".into());
        kept.generation = Some(Generation(generation));
        task
    }

    #[test]
    fn two_of_a_lane_at_a_time_are_found() {
        let mut story = Story::new();
        let (one, other) = (in_lane(&mut story, 1), in_lane(&mut story, 1));
        story.claimed(one);
        story.claimed(other);
        assert!(broken(&story.history)[0].contains("lane vm1/shop/web/0 has"));
    }

    #[test]
    fn an_older_generation_after_a_newer_one_is_found() {
        let mut story = Story::new();
        let (one, other, old) = (in_lane(&mut story, 1), in_lane(&mut story, 2), in_lane(&mut story, 1));
        for task in [one, other] {
            story.claimed(task);
            story.reported(task, Ending::Completed);
        }
        assert_eq!(broken(&story.history), [""; 0]);

        story.claimed(old);
        assert!(broken(&story.history)[0].contains("of 1 came after 2"));
    }
}
