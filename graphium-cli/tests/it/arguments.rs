//! The command line itself: what is wrong with it, and what it says without a server.

use std::net::TcpListener;
use std::time::Duration;

use tokio::time::Instant;

use crate::graphium::{graphium, run, write};

#[test]
fn a_wrong_command_line_ends_with_2_and_says_what_is_wrong() {
    let cases: [(&[&str], &str); 7] = [
        (&[], "Usage"),
        (&["frobnicate"], "frobnicate"),
        (&["stack", "deploy"], "<FILE>"),
        (&["stack", "status", "a/b"], "a/b"),
        (&["task", "show", "seven"], "seven"),
        (&["stack", "deploy", "f.json", "--detach", "--timeout", "5s"], "--timeout"),
        (&["task", "list", "--since", "yesterday"], "5m"),
    ];
    for (arguments, told) in cases {
        let ran = run(arguments).ended(2);
        assert!(ran.err.contains(told), "{arguments:?}: {ran:?}");
        assert!(ran.out.is_empty(), "{arguments:?}: {ran:?}");
    }
}

#[test]
fn a_server_that_is_not_there_ends_with_3_in_bounded_time() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{free}");
    let commands: [&[&str]; 6] = [
        &["stack", "list"],
        &["task", "list"],
        &["task", "stats"],
        &["host", "list"],
        &["token", "list"],
        &["stack", "remove", "shop"],
    ];
    for arguments in commands {
        let began = Instant::now();
        let ran = run(&[arguments, &["--server", &url, "--token", "x"]].concat()).ended(3);
        assert!(began.elapsed() < Duration::from_secs(20), "{arguments:?} took {:?}", began.elapsed());
        assert!(ran.err.contains(&url) && ran.err.contains("graphium server"), "{ran:?}");
        assert_eq!(ran.err.lines().count(), 2, "one line, and what to do next: {ran:?}");
    }
}

#[test]
fn what_caused_an_error_is_told_to_those_who_ask() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let ran = run(&["host", "list", "--server", &format!("http://{free}"), "--token", "x", "--verbose"]).ended(3);
    assert!(ran.err.contains("caused by"), "{ran:?}");
}

#[test]
fn without_a_token_the_error_says_how_to_get_one() {
    let ran = run(&["host", "list", "--server", "https://graphium.invalid"]).ended(2);
    assert!(ran.err.contains("--token-file"), "{ran:?}");
}

#[test]
fn a_settings_file_with_an_unknown_key_is_refused_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(folder.path(), "graphium.toml", "[client]\nserver = \"http://127.0.0.1:1\"\nsever = 1\n");
    let ran = run(&["host", "list", "--config", &file]).ended(2);
    assert!(ran.err.contains("graphium.toml:3") && ran.err.contains("sever"), "{ran:?}");
}

#[test]
fn a_flag_goes_before_a_variable_and_a_variable_before_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file =
        write(folder.path(), "graphium.toml", "[server]\nlisten = \"127.0.0.1:1\"\nlease = \"11s\"\ndown_after = 7\n");
    let mut command = graphium(&["server", "--print-config", "--config", &file, "--listen", "127.0.0.1:3"]);
    command
        .env("GRAPHIUM_LISTEN", "127.0.0.1:2")
        .env("GRAPHIUM_LEASE", "22s")
        .env("GRAPHIUM_DATA_DIR", "/srv/graphium");
    let output = command.output().unwrap();
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        "data_dir = \"/srv/graphium\"\n\n[client]\n\n[server]\nlisten = \"127.0.0.1:3\"\nlease = \"22s\"\n\
         down_after = \"7s\"\nkeep_tasks = \"30d\"\nkeep_attempts = \"30d\"\nkeep_events = \"90d\"\n\n[agent]\n"
    );
}

#[test]
fn secrets_are_masked_where_settings_are_printed() {
    let folder = tempfile::tempdir().unwrap();
    let text = "[client]\ntoken = \"s3cret-one\"\n[server]\ndatabase = \"postgres://g:s3cret-three@db/g\"\n\
                [agent]\njoin_token = \"s3cret-two\"\n";
    let file = write(folder.path(), "graphium.toml", text);
    let ran = run(&["server", "--print-config", "--config", &file, "--data-dir", "/srv"]).ended(0);
    assert!(ran.out.contains("token = \"********\"") && !ran.out.contains("s3cret"), "{ran:?}");
    assert!(ran.out.contains("database = \"********\""), "{ran:?}");
}

#[test]
fn a_database_that_is_none_or_is_not_there_is_refused_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    for (database, words) in
        [("here:there", "postgres://user:password@host/name"), ("postgres://x@127.0.0.1:1/x", "reached")]
    {
        let ran = run(&["server", "--database", database, "--data-dir", data, "--listen", "127.0.0.1:0"]).ended(1);
        assert!(ran.err.contains(words), "{ran:?}");
    }
}

#[test]
fn the_version_is_the_same_for_people_and_programs() {
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(run(&["version", "--output", "json"]).ended(0).json()["version"], version);
    assert!(run(&["version"]).ended(0).out.starts_with(&format!("graphium {version} ")));
}

#[test]
fn there_are_completions_for_the_usual_shells() {
    for shell in ["bash", "zsh", "fish"] {
        assert!(run(&["completions", shell]).ended(0).out.contains("graphium"), "{shell}");
    }
}

#[test]
fn a_reader_that_hangs_up_is_no_error() {
    let script = format!("set -o pipefail; {} completions bash | head -n 1", env!("CARGO_BIN_EXE_graphium"));
    let output = std::process::Command::new("bash").args(["-c", &script]).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}
