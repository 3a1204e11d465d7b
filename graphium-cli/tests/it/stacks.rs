//! `graphium stack` as far as it goes without an engine.

use crate::graphium::{Ran, Server, graphium, run, write};

const SHOP: &str = r#"{
  "@context": "https://schema.org",
  "@graph": [{
    "@type": "datacenter:Stack",
    "name": "shop",
    "hasPart": [{ "name": "web", "image": "web:${SHOP_TAG:-1}", "locatedInHost": "vm1" }]
  }]
}"#;

#[test]
fn a_valid_file_is_checked_without_a_server() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(folder.path(), "shop.json", SHOP);
    assert_eq!(run(&["stack", "validate", &file]).ended(0).out, "stack shop is valid: 1 container\n");
}

#[test]
fn a_faulty_file_is_refused_with_the_line_of_each_fault() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(folder.path(), "shop.json", &SHOP.replace("\"image\"", "\"imgae\""));
    for command in ["validate", "deploy"] {
        let ran = run(&["stack", command, &file]).ended(1);
        assert!(ran.err.contains("imgae") && ran.err.contains("line 6"), "{ran:?}");
    }
}

#[test]
fn a_variable_that_nothing_sets_stops_a_deploy_before_anything_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(folder.path(), "shop.json", &SHOP.replace("${SHOP_TAG:-1}", "${SHOP_TAG}"));
    let ran = run(&["stack", "deploy", &file]).ended(1);
    assert!(ran.err.contains("SHOP_TAG"), "{ran:?}");
    let ran: Ran = graphium(&["stack", "validate", &file]).env("SHOP_TAG", "2").output().unwrap().into();
    ran.ended(0);
}

#[test]
fn a_stack_for_a_host_that_nobody_knows_is_refused_and_names_it() {
    let server = Server::start();
    let file = write(server.folder.path(), "shop.json", SHOP);
    let ran = server.run(&["stack", "deploy", &file]).ended(1);
    assert!(ran.err.contains("vm1"), "{ran:?}");
    assert_eq!(server.run(&["stack", "list", "--output", "json"]).ended(0).json(), serde_json::json!([]));
}

#[test]
fn an_unknown_stack_is_an_error_that_names_it() {
    let server = Server::start();
    for arguments in [["stack", "status", "shop"], ["stack", "stop", "shop"], ["stack", "remove", "shop"]] {
        let ran = server.run(&arguments).ended(1);
        assert!(ran.err.contains("shop"), "{ran:?}");
    }
}
