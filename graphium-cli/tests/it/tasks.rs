//! `graphium task` and `graphium events` against a server without agents.

use serde_json::Value;

use crate::graphium::Server;

fn submit(server: &Server, arguments: &[&str]) -> Value {
    let all = [&["task", "submit", "--host", "vm1", "--type", "nap", "--output", "json"], arguments].concat();
    server.run(&all).ended(0).json()
}

fn id(task: &Value) -> &str {
    task["@id"].as_str().unwrap()
}

#[test]
fn a_task_is_submitted_shown_cancelled_and_tried_again() {
    let server = Server::start();
    let task = submit(&server, &["--payload", r#"{"seconds": 3}"#, "--priority", "0", "--max-retries", "0"]);
    assert_eq!((&task["status"], &task["priority"], &task["maxRetries"]), (&"pending".into(), &0.into(), &0.into()));

    let shown = server.run(&["task", "show", id(&task), "--output", "json"]).ended(0).json();
    assert_eq!(shown["payload"]["seconds"], 3);
    assert_eq!(shown["history"]["attempts"], serde_json::json!([]));

    server.run(&["task", "cancel", id(&task)]).ended(0);
    // Cancelling what is over is a conflict.
    server.run(&["task", "cancel", id(&task)]).ended(4);
    let listed = server.run(&["task", "list", "--status", "cancelled", "--output", "json"]).ended(0).json();
    assert_eq!(id(&listed[0]), id(&task));

    server.run(&["task", "retry", id(&task)]).ended(0);
    let stats = server.run(&["task", "stats", "--output", "json"]).ended(0).json();
    assert_eq!(stats["byStatus"]["pending"], 1);
}

#[test]
fn the_same_key_twice_is_one_task_and_with_another_body_a_conflict() {
    let server = Server::start();
    let first = submit(&server, &["--key", "k1"]);
    let second = submit(&server, &["--key", "k1"]);
    assert_eq!(id(&first), id(&second));
    let other = ["task", "submit", "--host", "vm1", "--type", "other", "--key", "k1"];
    server.run(&other).ended(4);
}

#[test]
fn a_payload_that_does_not_fit_its_type_is_refused_at_submit() {
    let server = Server::start();
    let ran = server.run(&["task", "submit", "--host", "vm1", "--type", "stop", "--payload", "{}"]).ended(1);
    assert!(ran.err.contains("containerName"), "{ran:?}");
}

#[test]
fn a_list_for_people_has_a_line_for_each_task_and_says_when_there_are_none() {
    let server = Server::start();
    assert_eq!(server.run(&["task", "list"]).ended(0).out, "No tasks.\n");
    let task = submit(&server, &[]);
    let out = server.run(&["task", "list"]).ended(0).out;
    let lines: Vec<_> = out.lines().collect();
    assert!(lines[0].starts_with("ID ") && lines[1].starts_with(id(&task)), "{out}");
    assert_eq!(lines.len(), 2);
}

#[test]
fn an_unknown_task_is_an_error_that_names_it() {
    let server = Server::start();
    let unknown = "0193a1b2-0000-7000-8000-000000000000";
    let ran = server.run(&["task", "show", unknown]).ended(1);
    assert!(ran.err.contains(unknown), "{ran:?}");
}

#[test]
fn the_event_log_is_read_from_its_beginning() {
    let server = Server::start();
    let task = submit(&server, &[]);
    let arguments = ["events", "--after", "0", "--type", "task_created", "--count", "1", "--output", "json"];
    let event = server.run(&arguments).ended(0).json();
    assert_eq!((&event["type"], &event["taskId"]), (&"task_created".into(), &task["@id"]));
}
