//! `graphium server`, from its start to its end.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;

use crate::graphium::{Ran, Server, graphium, run, write};

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
        Ran::from(command.output().unwrap())
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

#[test]
fn with_tls_a_command_that_trusts_the_authority_is_answered_and_another_is_not() {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let cert = write(folder.path(), "cert.pem", &made.cert.pem());
    let key = write(folder.path(), "key.pem", &made.signing_key.serialize_pem());
    let server = Server::start_with(folder, &["--tls-cert", &cert, "--tls-key", &key]);
    assert!(server.url.starts_with("https://"), "{}", server.url);
    server.run(&["host", "list", "--ca-file", &cert]).ended(0);
    server.run(&["host", "list"]).ended(3);
}

#[test]
fn a_data_folder_is_used_by_one_server_at_a_time() {
    let server = Server::start();
    let data = server.folder.path().display().to_string();
    let ran = run(&["server", "--listen", "127.0.0.1:0", "--data-dir", &data]).ended(1);
    assert!(ran.err.contains("in use by another process") && ran.err.lines().count() == 1, "{ran:?}");
}

#[test]
fn the_admin_token_of_a_server_on_this_machine_is_found_by_its_data_folder() {
    let server = Server::start();
    let mut command = graphium(&["host", "list", "--server", &server.url]);
    Ran::from(command.env("GRAPHIUM_DATA_DIR", server.folder.path()).output().unwrap()).ended(0);
}
