//! `graphium agent` as a process: it joins once, comes back by its key, and stops when it is told.

use std::process::Command;

use serde_json::Value;

use crate::graphium::{PATIENCE, Ran, Server, graphium};
use crate::talking::Talking;

/// A case, by name.
pub(crate) const CASES: [(&str, fn()); 3] = [
    ("an_agent_joins_once_and_comes_back_by_its_key", joins_once),
    ("a_join_token_is_good_for_one_agent", one_token_one_agent),
    ("an_agent_without_a_token_says_how_to_get_one", without_a_token),
];

fn agent(server: &Server, id: &str) -> Command {
    let mut command = graphium(&["agent", "--id", id, "--server", &server.url, "--state-dir"]);
    command.arg(server.folder.path().join(id));
    command
}

fn join_token(server: &Server) -> String {
    server.run(&["token", "create", "--quiet"]).ended(0).out.trim().to_owned()
}

/// Waits until the server's only host passes, and answers with it.
fn host_that(server: &Server, what: &str, passes: impl Fn(&Value) -> bool) -> Value {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let hosts = server.run(&["host", "list", "--output", "json"]).ended(0).json();
        if let Some(host) = hosts.as_array().unwrap().first().filter(|host| passes(host)) {
            return host.clone();
        }
        assert!(tokio::time::Instant::now() < deadline, "the host is not {what}: {hosts}");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

fn joins_once() {
    let server = Server::start();
    let mut command = agent(&server, "vm1");
    command.args(["--join-token", &join_token(&server)]);
    let first = Talking::start(command);
    let host = host_that(&server, "ready", |host| host["state"] == "ready" && host["engine"].is_object());
    assert_eq!(host["id"], "vm1");
    first.signal("TERM");
    first.end().ended(0);
    let gone = host_that(&server, "known", |_| true);

    // Later starts need no token.
    let mut second = Talking::start(agent(&server, "vm1"));
    second.until("state");
    let seen = gone["lastSeenAt"].as_str();
    let back = host_that(&server, "back", |host| host["state"] == "ready" && host["lastSeenAt"].as_str() > seen);
    assert_eq!(back["machine"], host["machine"], "the machine is known by its key");
    second.signal("INT");
    second.end().ended(0);
}

fn one_token_one_agent() {
    let server = Server::start();
    let token = join_token(&server);
    let mut first = agent(&server, "vm1");
    first.args(["--join-token", &token]);
    let first = Talking::start(first);
    host_that(&server, "ready", |host| host["state"] == "ready");
    let mut second = agent(&server, "vm2");
    let ran = Ran::from(second.args(["--join-token", &token]).output().unwrap()).ended(1);
    assert!(ran.err.contains("join token") && ran.err.contains("token create"), "{ran:?}");
    first.signal("TERM");
    first.end().ended(0);
}

fn without_a_token() {
    let server = Server::start();
    let ran = Ran::from(agent(&server, "vm1").output().unwrap()).ended(2);
    assert!(ran.err.contains("vm1") && ran.err.contains("token create"), "{ran:?}");
}
