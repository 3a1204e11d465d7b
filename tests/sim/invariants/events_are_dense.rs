//! Events are numbered from one without a gap, and whoever follows the log sees each of them once and in order.

use crate::record::Story;

pub(super) fn broken(story: &Story) -> Vec<String> {
    let dense = |numbers: &[u64]| numbers.iter().zip(1..).all(|(number, expected)| *number == expected);
    let log: Vec<_> = story.events.iter().map(|event| event.seq.0).collect();
    let followed: Vec<_> = story.followed.iter().map(|seq| seq.0).collect();
    let mut broken = Vec::new();
    if !dense(&log) {
        broken.push(format!("the log has a gap: {log:?}"));
    }
    if !dense(&followed) || followed.len() > log.len() {
        broken.push(format!("a follower saw {followed:?}"));
    }
    let times = story.events.windows(2).filter(|pair| pair[1].timestamp < pair[0].timestamp);
    broken.extend(times.map(|pair| format!("time ran backwards between {} and {}", pair[0].seq, pair[1].seq)));
    broken
}
