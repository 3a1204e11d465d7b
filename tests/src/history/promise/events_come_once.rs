//! Events are numbered from one without a gap, time never runs backwards between them, and whoever follows the log sees
//! each of them once, in order, as it stands in the log.

use crate::history::History;

/// How many differences of one reader are told.
const TOLD: usize = 3;

pub(super) fn broken(history: &History) -> Vec<String> {
    let mut broken = Vec::new();
    let gap = history.log.iter().zip(1..).find(|(entry, expected)| entry.seq != *expected);
    broken.extend(gap.map(|(entry, expected)| format!("the log has {} where {expected} belongs", entry.seq)));
    let backwards = history.log.windows(2).filter(|pair| pair[1].at < pair[0].at);
    broken.extend(
        backwards
            .take(TOLD)
            .map(|pair| format!("time ran backwards between events {} and {}", pair[0].seq, pair[1].seq)),
    );
    for (reader, seen) in &history.followed {
        let wrong = seen.iter().zip(1..).filter(|((seq, _), expected)| seq != expected);
        broken.extend(wrong.take(TOLD).map(|((seq, _), expected)| format!("{reader} saw {seq} instead of {expected}")));
        let other = seen.iter().zip(&history.log).filter(|(seen, entry)| **seen != (entry.seq, entry.digest));
        broken.extend(other.take(TOLD).map(|(seen, entry)| format!("{reader} saw {seen:?}, and kept is {entry:?}")));
        if seen.len() > history.log.len() {
            broken.push(format!("{reader} saw {} events, and {} are kept", seen.len(), history.log.len()));
        }
    }
    broken
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::story::Story;

    /// Three tasks that were submitted, and a reader who saw it.
    fn followed() -> Story {
        let mut story = Story::new();
        for _ in 0..3 {
            story.submitted();
        }
        let seen = story.history.log.iter().map(|entry| (entry.seq, entry.digest)).collect();
        story.history.followed.insert("reader".into(), seen);
        assert_eq!(broken(&story.history), [""; 0]);
        story
    }

    fn seen(story: &mut Story) -> &mut Vec<(u64, u64)> {
        story.history.followed.get_mut("reader").unwrap()
    }

    #[test]
    fn a_gap_in_the_log_is_found() {
        let mut story = followed();
        story.history.log.remove(1);
        assert!(broken(&story.history)[0].contains("has 3 where 2 belongs"));
    }

    #[test]
    fn time_that_runs_backwards_is_found() {
        let mut story = followed();
        story.history.log[0].at = story.history.log[1].at.after(std::time::Duration::from_secs(1));
        assert!(broken(&story.history)[0].contains("backwards between events 1 and 2"));
    }

    #[test]
    fn a_reader_who_missed_an_event_is_found() {
        let mut story = followed();
        seen(&mut story).remove(1);
        assert!(broken(&story.history)[0].contains("saw 3 instead of 2"));
    }

    #[test]
    fn a_reader_who_saw_an_event_twice_is_found() {
        let mut story = followed();
        seen(&mut story).insert(1, (1, 0));
        assert!(broken(&story.history)[0].contains("saw 1 instead of 2"));
    }

    #[test]
    fn a_reader_who_saw_another_event_is_found() {
        let mut story = followed();
        seen(&mut story)[1].1 += 1;
        assert!(broken(&story.history)[0].contains("and kept is"));
    }

    #[test]
    fn an_event_that_was_seen_and_is_not_kept_is_found() {
        let mut story = followed();
        story.history.log.pop();
        assert_eq!(broken(&story.history), ["reader saw 3 events, and 2 are kept"]);
    }
}
