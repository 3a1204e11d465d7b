//! The demo on the engine in memory: the whole story, wherever the tests run.

use crate::graphium::{Ran, graphium};

#[test]
fn the_demo_tells_its_story_in_memory_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = graphium(&["demo", "--once", "--memory"]);
    let ran: Ran = command.env("TMPDIR", folder.path()).output().unwrap().into();
    let ran = ran.ended(0);
    for told in ["simulated", "killed", "exactly the three declared containers", "nothing left"] {
        assert!(ran.out.contains(told), "{told:?} is missing in:\n{}", ran.out);
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "the temporary folder is gone");
}
