//! `graphium store`, from the file to the server that works on it.

use std::path::Path;

use tempfile::TempDir;

use crate::graphium::{Ran, Server, graphium, run};

fn text(path: &Path) -> String {
    path.display().to_string()
}

/// A command on the file in this folder.
fn on(folder: &TempDir, arguments: &[&str]) -> Ran {
    run(&[&["store"], arguments, &["--data-dir", &text(folder.path())]].concat())
}

fn submit(server: &Server) {
    server.run(&["task", "submit", "--host", "vm1", "--type", "nap"]).ended(0);
}

/// A server on a store that was restored from a backup of one task, and before had two.
fn restored() -> Server {
    let server = Server::start();
    submit(&server);
    let backup = text(&server.folder.path().join("backup.db"));
    on(&server.folder, &["backup", &backup]).ended(0);
    submit(&server);
    let (_, folder) = server.stop("TERM");
    let ran = on(&folder, &["restore", &backup]).ended(0);
    assert!(
        ran.out.contains("graphium.db.before-restore-1") && ran.out.contains("graphium store confirm --yes"),
        "{ran:?}"
    );
    assert!(ran.out.contains("revoke it once more"), "{ran:?}");
    Server::start_in(folder)
}

#[test]
fn a_backup_of_a_running_server_is_sound_and_replaces_nothing() {
    let server = Server::start();
    submit(&server);
    let backup = text(&server.folder.path().join("backup.db"));
    let made = on(&server.folder, &["backup", &backup]).ended(0);
    assert!(made.out.contains(&backup) && made.out.contains("up to event"), "{made:?}");
    assert_eq!(run(&["store", "check", &backup]).ended(0).out, format!("{backup} is sound\n"));
    assert_eq!(on(&server.folder, &["check", "--output", "json"]).ended(0).json(), serde_json::json!([]));

    let again = on(&server.folder, &["backup", &backup]).ended(4);
    assert!(again.err.contains(&backup) && again.err.contains("exists"), "{again:?}");
}

#[test]
fn what_cannot_be_restored_is_refused_by_name_and_what_is_there_stays() {
    let server = Server::start();
    let backup = text(&server.folder.path().join("backup.db"));
    on(&server.folder, &["backup", &backup]).ended(0);
    let running = on(&server.folder, &["restore", &backup]).ended(4);
    assert!(running.err.contains("stop the server"), "{running:?}");

    let (_, folder) = server.stop("TERM");
    let path = |name: &str| text(&folder.path().join(name));
    std::fs::write(path("notes.txt"), "no database at all\n".repeat(500)).unwrap();
    for (file, code, told) in [
        ("nowhere.db", 1, "there is no file"),
        ("notes.txt", 1, "no store of Graphium"),
        ("graphium.db", 4, "no backup"),
    ] {
        let ran = on(&folder, &["restore", &path(file)]).ended(code);
        assert!(ran.err.contains(told) && ran.err.contains(file), "{ran:?}");
    }
    assert!(!folder.path().join("graphium.db.before-restore-1").exists());
    let new = folder.path().join("new");
    let ran = run(&["store", "restore", &path("notes.txt"), "--data-dir", &text(&new.join("folder"))]).ended(1);
    assert!(!new.exists(), "a refusal leaves no folder behind: {ran:?}");
    let behind_a_file = run(&["store", "restore", &text(&folder.path().join("notes.txt/backup.db"))]).ended(1);
    assert!(behind_a_file.err.contains("cannot look") && behind_a_file.err.contains("notes.txt"), "{behind_a_file:?}");
    Server::start_in(folder).run(&["task", "list"]).ended(0);
}

#[test]
fn a_data_folder_without_a_store_is_named_with_the_flag_that_chooses_another() {
    let folder = tempfile::tempdir().unwrap();
    let copy = text(&folder.path().join("copy.db"));
    let commands: [&[&str]; 4] = [&["backup", &copy], &["check"], &["prune"], &["prune", "--dry-run"]];
    for arguments in commands {
        let ran = on(&folder, arguments).ended(1);
        assert!(ran.err.contains("graphium.db") && ran.err.contains("--data-dir"), "{ran:?}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was made");
}

#[test]
fn a_restored_store_is_held_until_somebody_has_seen_what_differs_and_says_yes() {
    let server = restored();
    let status = server.run(&["store", "status", "--output", "json"]).ended(0).json();
    assert_eq!((&status["held"], &status["epoch"]), (&true.into(), &1.into()), "{status}");
    assert_eq!(server.run(&["task", "list", "--output", "json"]).ended(0).json().as_array().unwrap().len(), 1);
    let refused = server.run(&["task", "submit", "--host", "vm1", "--type", "nap"]).ended(4);
    assert!(
        refused.err.contains("graphium store status") && refused.err.contains("graphium store confirm --yes"),
        "{refused:?}"
    );

    let unsure = server.run(&["store", "confirm"]).ended(2);
    assert!(unsure.out.contains("held since") && unsure.err.contains("--yes"), "{unsure:?}");
    assert!(server.run(&["store", "status"]).ended(0).out.contains("held since"), "nothing has changed");
    let sure = server.run(&["store", "confirm", "--yes"]).ended(0);
    assert!(sure.out.contains("is confirmed"), "{sure:?}");
    let again = server.run(&["store", "confirm"]).ended(0);
    assert!(again.out.contains("nothing to confirm"), "{again:?}");
    submit(&server);
}

#[test]
fn a_server_with_a_held_store_says_so_and_which_commands_help() {
    let (_, folder) = restored().stop("TERM");
    let mut command = graphium(&["server", "--listen", "127.0.0.1:0", "--data-dir"]);
    command.arg(folder.path());
    let mut server = crate::talking::Talking::start(command);
    server.until("restored from a backup");
    assert!(server.until("store status").contains("--server http://127.0.0.1"));
    server.until("store confirm --yes");
    server.signal("TERM");
    server.end().ended(0);
}

#[test]
fn history_is_pruned_as_the_settings_say() {
    let server =
        Server::start_with(tempfile::tempdir().unwrap(), &["--keep-tasks", "forever", "--keep-events", "forever"]);
    for _ in 0..3 {
        let task =
            server.run(&["task", "submit", "--host", "vm1", "--type", "nap", "--output", "json"]).ended(0).json();
        server.run(&["task", "cancel", task["@id"].as_str().unwrap()]).ended(0);
    }
    let zero = ["prune", "--keep-tasks", "0s", "--keep-events", "forever"];
    let count = |folder: &TempDir, more: &[&str]| on(folder, &[&zero[..], more].concat());
    let counted = count(&server.folder, &["--dry-run"]).ended(0);
    assert_eq!(counted.out, "would prune 2 tasks, the attempts of 0 more, and 0 events\n", "the newest task stays");
    let busy = count(&server.folder, &[]).ended(4);
    assert!(busy.err.contains("prunes by itself"), "{busy:?}");

    let (_, folder) = server.stop("TERM");
    assert_eq!(count(&folder, &["--output", "json"]).ended(0).json()["tasks"], 2);
    assert_eq!(count(&folder, &["--dry-run", "--output", "json"]).ended(0).json()["tasks"], 0);
    let left = Server::start_in(folder).run(&["task", "list", "--output", "json"]).ended(0).json();
    assert_eq!(left.as_array().unwrap().len(), 1);
}

#[test]
fn how_long_history_is_kept_is_printed_with_the_other_settings() {
    let printed = run(&["server", "--print-config", "--keep-tasks", "7d", "--data-dir", "/srv"]).ended(0).out;
    for line in ["keep_tasks = \"7d\"", "keep_attempts = \"30d\"", "keep_events = \"90d\""] {
        assert!(printed.contains(line), "{printed}");
    }
    let wrong = run(&["server", "--print-config", "--keep-tasks", "a week"]).ended(2);
    assert!(wrong.err.contains("30d") && wrong.err.contains("forever"), "{wrong:?}");
}
