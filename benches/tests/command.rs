//! The one command, with small sizes.

use std::path::Path;
use std::process::Command;

/// Runs the benches with a folder of their own for the document and the databases.
fn benches(folder: &Path, arguments: &[&str]) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_graphium-benches"));
    command.arg("--out").arg(folder).arg("--scratch").arg(folder.join("scratch")).args(arguments);
    let output = command.output().expect("the program is built");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_cheap_parts_write_a_document_that_can_be_written_again_from_their_results() {
    let folder = tempfile::tempdir().unwrap();
    benches(folder.path(), &["priority", "recovery", "--quick"]);
    let document = folder.path().join("benchmarks.md");
    let text = std::fs::read_to_string(&document).unwrap();
    for words in
        ["Longest wait of the lowest priority", "Killed under load", "| SQLite FULL |", "Small sizes were used"]
    {
        assert!(text.contains(words), "{words:?} is missing: {text}");
    }
    assert!(!text.contains("**missed**"), "what is no question of speed is reached: {text}");

    std::fs::write(&document, "").unwrap();
    benches(folder.path(), &["--render"]);
    assert_eq!(std::fs::read_to_string(&document).unwrap(), text);
}
