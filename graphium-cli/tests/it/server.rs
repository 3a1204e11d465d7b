//! `graphium server`, from its start to its end.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;

use crate::graphium::{Server, run};

#[test]
fn the_first_start_writes_an_admin_token_for_its_owner_alone() {
    let server = Server::start();
    let token = server.folder.path().join("admin.token");
    assert_eq!(token.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(server.run(&["host", "list", "--output", "json"]).ended(0).json(), serde_json::json!([]));
}

#[test]
fn sigterm_stops_a_server_gracefully_and_the_next_one_goes_on() {
    let server = Server::start();
    let submitted =
        server.run(&["task", "submit", "--host", "vm1", "--type", "nap", "--output", "json"]).ended(0).json();
    let (status, folder) = server.stop("TERM");
    assert_eq!(status.code(), Some(0));

    let server = Server::start_in(folder);
    let tasks = server.run(&["task", "list", "--output", "json"]).ended(0).json();
    assert_eq!(tasks[0]["@id"], submitted["@id"]);
}

#[test]
fn a_taken_port_is_named_with_the_flag_that_chooses_another() {
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = holder.local_addr().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().display().to_string();
    let ran = run(&["server", "--listen", &address.to_string(), "--data-dir", &data]).ended(1);
    assert!(ran.err.contains(&address.port().to_string()) && ran.err.contains("--listen"), "{ran:?}");
}

#[test]
fn beyond_loopback_a_server_without_tls_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().display().to_string();
    let ran = run(&["server", "--listen", "0.0.0.0:0", "--data-dir", &data]).ended(2);
    assert!(ran.err.contains("TLS") && ran.err.contains("--tls-cert"), "{ran:?}");
}

#[test]
fn a_token_that_was_revoked_is_good_for_nothing() {
    let server = Server::start();
    let created =
        server.run(&["token", "create", "--role", "viewer", "--name", "eye", "--output", "json"]).ended(0).json();
    let (id, token) = (created["id"].as_str().unwrap(), created["token"].as_str().unwrap());
    let as_viewer = |arguments: &[&str]| {
        let mut command = server.command(arguments);
        command.env_remove("GRAPHIUM_TOKEN_FILE").env("GRAPHIUM_TOKEN", token);
        crate::graphium::Ran::from(command.output().unwrap())
    };
    as_viewer(&["task", "list"]).ended(0);
    as_viewer(&["task", "submit", "--host", "vm1", "--type", "nap"]).ended(1);

    server.run(&["token", "revoke", id]).ended(0);
    let refused = as_viewer(&["task", "list"]).ended(1);
    assert!(refused.err.contains("token"), "{refused:?}");
}

#[test]
fn a_new_join_token_comes_with_the_command_that_uses_it() {
    let server = Server::start();
    let ran = server.run(&["token", "create", "--agent", "vm1"]).ended(0);
    let expected = format!("graphium agent --id vm1 --server {}", server.url);
    assert!(ran.out.contains(&expected), "{ran:?}");
    let quiet = server.run(&["token", "create", "--quiet"]).ended(0);
    assert_eq!(quiet.out.lines().count(), 1, "{quiet:?}");
    assert!(!server.run(&["token", "list"]).ended(0).out.contains(quiet.out.trim()));
}
