use proptest::prelude::*;

use super::*;
use crate::stack::{
    DependencyCondition, HealthProbe, MAX_CONTAINERS, MountSource, PlacementStrategy, Protocol, RestartPolicy,
};

const SHOP: &str = include_str!("samples/shop.json");
const PAGES: &str = include_str!("samples/pages.json");

/// A stack with this container and whatever else stands beside it.
fn with_container(fields: &str) -> String {
    with_stack(&format!(r#""hasPart": [{{ "name": "web", "image": "nginx", {fields} }}]"#))
}

fn with_stack(fields: &str) -> String {
    format!(r#"{{ "@context": "https://schema.org", "@graph": [{{ "@type": "Stack", "name": "s", {fields} }}] }}"#)
}

fn spec(text: &str) -> StackSpec {
    parse(text).unwrap_or_else(|error| panic!("{error}\n{text}")).spec
}

fn container(fields: &str) -> crate::stack::ContainerSpec {
    spec(&with_container(fields)).containers.remove(0)
}

fn refused(text: &str) -> Vec<Problem> {
    parse(text).expect_err(text).problems
}

/// The one problem of a container with these fields: its path after the container's, and its message.
fn complaint(fields: &str) -> (String, String) {
    let mut problems = refused(&with_container(fields));
    assert_eq!(problems.len(), 1, "{problems:#?}");
    let problem = problems.remove(0);
    let place = problem.path.strip_prefix("$[\"@graph\"][0].hasPart[0]").unwrap_or(&problem.path).to_owned();
    (place, problem.message)
}

fn golden(text: &str) -> String {
    let parsed = parse(text).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(parsed.warnings, []);
    serde_json::to_string_pretty(&parsed.spec).unwrap()
}

#[test]
fn a_whole_stack_in_the_first_spelling_reads_exactly() {
    insta::assert_snapshot!("shop", golden(SHOP));
}

#[test]
fn a_whole_stack_in_the_second_spelling_reads_exactly() {
    insta::assert_snapshot!("pages", golden(PAGES));
}

#[test]
fn both_spellings_are_the_same_thing() {
    let one = container(
        r#""ports": [{"containerPort": 80, "hostPort": 8080, "protocol": "tcp", "hostIP": "127.0.0.1"}],
           "environment": {"A": "1"}, "volumes": [{"name": "data", "mountPath": "/data"}],
           "resources": {"cpu": "0.5", "memory": "512M"},
           "healthCheck": {"command": ["CMD", "true"]}"#,
    );
    let other = container(
        r#""containerPort": [{"@type": "Port", "portNumber": 80, "hostPort": 8080, "protocol": "TCP", "hostIP": "127.0.0.1"}],
           "environmentVariable": [{"@type": "PropertyValue", "name": "A", "value": "1"}],
           "volumeMount": [{"name": "data", "mountPath": "/data"}],
           "resources": {"limits": {"cpu": "500m", "memory": "512Mi"}},
           "healthcheck": {"type": "exec", "test": ["true"]}"#,
    );
    assert_eq!(one, other);
}

#[test]
fn values_of_variables_keep_the_text_as_it_was_written() {
    let env = container(r#""environment": {"A": "5432", "B": 5432, "C": 1.10, "D": true, "E": 1e3, "F": ""}"#).env;
    let values: Vec<_> = env.values().map(String::as_str).collect();
    assert_eq!(values, ["5432", "5432", "1.10", "true", "1e3", ""]);
}

#[test]
fn a_dollar_brace_is_taken_literally() {
    assert_eq!(container(r#""environment": {"A": "${SECRET}"}"#).env["A"], "${SECRET}");
}

#[test]
fn a_list_of_one_may_be_written_as_that_one() {
    let web = container(
        r#""ports": {"containerPort": 80}, "environmentVariable": {"@type": "PropertyValue", "name": "A", "value": 1}"#,
    );
    assert_eq!(web.ports[0].container_port, 80);
    assert_eq!(web.env["A"], "1");
}

#[test]
fn a_stack_may_stand_alone_without_a_graph() {
    let text =
        r#"{"@context": "x", "@type": ["datacenter:Stack"], "name": "s", "hasPart": {"name": "a", "image": "b"}}"#;
    assert_eq!(spec(text).containers.len(), 1);
}

#[test]
fn everything_wrong_is_said_at_once_in_the_order_of_the_text() {
    let text = r#"{
  "@context": "https://schema.org",
  "@graph": [{
    "@type": "Stack",
    "name": "bad name",
    "hasPart": [{
      "name": "web",
      "image": "nginx",
      "ports": [{ "containerPort": 80, "hostPort": "eighty" }],
      "restartPolicy": "sometimes",
      "dependsOn": ["db"],
      "hostname": "web"
    }]
  }]
}"#;
    let listed: Vec<_> = refused(text).iter().map(|problem| (problem.line.unwrap(), problem.path.clone())).collect();
    let container = "$[\"@graph\"][0].hasPart[0]";
    assert_eq!(
        listed,
        [
            (5, "$[\"@graph\"][0].name".to_owned()),
            (9, format!("{container}.ports[0].hostPort")),
            (10, format!("{container}.restartPolicy")),
            (12, format!("{container}.hostname")),
        ]
    );
}

#[test]
fn what_the_spec_itself_says_is_wrong_is_placed_in_the_text() {
    let text = with_container("\n\"dependsOn\": [\"db\"]");
    let problem = &refused(&text)[0];
    assert_eq!(problem.path, "$[\"@graph\"][0].hasPart[0].dependsOn[0]");
    assert_eq!((problem.line, problem.column), (Some(2), Some(15)));
}

#[test]
fn an_unknown_key_is_refused_by_path_and_what_was_meant_is_guessed() {
    let (path, message) = complaint(r#""ports": [{"containerPort": 80, "hostport": 8080}]"#);
    assert_eq!(path, ".ports[0].hostport");
    assert_eq!(message, "unknown key `hostport`: did you mean `hostPort`?");
    assert!(complaint(r#""privileged": true"#).1.contains("known here:"));
}

#[test]
fn a_key_that_only_describes_is_a_warning() {
    let parsed = parse(&with_container(r#""author": "ann", "description": "x""#)).unwrap();
    assert_eq!(parsed.warnings.len(), 1);
    assert_eq!(parsed.warnings[0].path, "$[\"@graph\"][0].hasPart[0].author");
}

#[test]
fn a_key_given_twice_is_refused_even_in_two_spellings() {
    assert!(complaint(r#""user": "a", "user": "b""#).1.contains("twice"));
    let both = r#""ports": [], "containerPort": []"#;
    assert!(complaint(both).1.contains("`ports` and `containerPort` are the same thing"));
    assert!(complaint(r#""environmentVariable": ["A=1", {"name": "A", "value": 2}]"#).1.contains("given twice"));
}

#[test]
fn a_wrong_type_says_what_was_expected_and_what_was_found() {
    for (fields, expected) in [
        (r#""ports": [{"containerPort": 99999}]"#, "expected a whole number from 1 to 65535, found the number 99999"),
        (r#""ports": [8080]"#, "expected a port, an object with `containerPort`, found the number 8080"),
        (
            r#""command": "node server.js""#,
            "expected a list such as [\"node\", \"server.js\"], found the text \"node server.js\"",
        ),
        (
            r#""environment": "A=1""#,
            "expected an object of names and values, or a list of {name, value}, found the text \"A=1\"",
        ),
        (r#""environment": {"A": ["x"]}"#, "expected a text, a number, true or false, found a list"),
        (
            r#""volumes": [{"name": "a", "mountPath": "/a", "readOnly": "maybe"}]"#,
            "expected true or false, found the text \"maybe\"",
        ),
        (r#""pullPolicy": "sometimes""#, "expected one of always, if-not-present, never, found the text \"sometimes\""),
        (
            r#""stopTimeout": "500ms""#,
            "expected whole seconds such as 90, \"90s\" or \"1m30s\", found the text \"500ms\"",
        ),
        (r#""resources": {"cpu": "lots"}"#, "expected cores such as \"0.5\" or \"500m\", found the text \"lots\""),
        (r#""replicas": 1001"#, "expected a whole number from 0 to 1000, found the number 1001"),
        (r#""user": {}"#, "expected a text, a number, true or false, found an object"),
    ] {
        assert_eq!(complaint(fields).1, expected);
    }
}

#[test]
fn numbers_may_come_as_text_since_a_variable_may_have_been_there() {
    let web = container(r#""ports": [{"containerPort": "80", "hostPort": "8080"}], "replicas": "1""#);
    assert_eq!((web.ports[0].container_port, web.ports[0].host_port), (80, Some(8080)));
    assert_eq!(web.ports[0].protocol, Protocol::Tcp);
}

#[test]
fn host_port_0_leaves_the_choice_to_the_engine() {
    assert_eq!(container(r#""ports": [{"containerPort": 80, "hostPort": 0}]"#).ports[0].host_port, None);
}

#[test]
fn overlay_is_refused_by_name() {
    let stack = |fields: &str| refused(&with_stack(&format!(r#"{fields}, "hasPart": {{"name": "a", "image": "b"}}"#)));
    let found = stack(r#""deployment": {"networkMode": "overlay", "placementStrategy": "spread"}"#);
    assert!(found[0].message.contains("overlay is not supported"), "{found:?}");
    assert_eq!(found[0].path, "$[\"@graph\"][0].deployment.networkMode");
    let found = stack(r#""network": {"name": "n", "driver": "overlay"}"#);
    assert_eq!(found[0].path, "$[\"@graph\"][0].network.driver");
}

#[test]
fn strategies_that_do_not_exist_yet_are_refused_by_name() {
    for strategy in ["auto", "datacenter"] {
        let deployment = format!(r#""deployment": {{"placementStrategy": "{strategy}"}}"#);
        let found = refused(&with_stack(&format!(r#"{deployment}, "hasPart": {{"name": "a", "image": "b"}}"#)));
        assert!(found[0].message.contains(strategy), "{found:?}");
        assert!(found[0].message.contains("not supported yet: use manual or spread"), "{found:?}");
    }
}

#[test]
fn the_deployment_section_decides_the_strategy() {
    let strategy = |section: &str| {
        spec(&with_stack(&format!(r#"{section} "locatedInHost": "vm1", "hasPart": {{"name": "a", "image": "b"}}"#)))
            .strategy
    };
    assert_eq!(strategy(""), PlacementStrategy::Together);
    assert_eq!(strategy(r#""deployment": {"mode": "single-host"},"#), PlacementStrategy::Together);
    assert_eq!(strategy(r#""deployment": {"placementStrategy": "manual"},"#), PlacementStrategy::Manual);
    assert_eq!(strategy(r#""deployment": {"placementStrategy": "spread"},"#), PlacementStrategy::Spread);
}

#[test]
fn the_comment_of_a_deployment_is_kept() {
    assert_eq!(spec(PAGES).comment.as_deref(), Some("One page server per host"));
}

#[test]
fn a_dependency_is_named_by_name_or_by_id_with_a_condition() {
    let text = with_stack(
        r#""hasPart": [
            {"@id": "https://graphium.local/containers/db", "name": "database", "image": "pg",
             "healthCheck": {"command": ["CMD", "x"]}},
            {"name": "a", "image": "a", "dependsOn": ["database"]},
            {"name": "b", "image": "b", "dependsOn": ["https://graphium.local/containers/db"]},
            {"name": "c", "image": "c", "dependsOn": [{"@id": "https://graphium.local/containers/db", "condition": "healthy"}]},
            {"name": "d", "image": "d", "dependsOn": {"container": "database", "condition": "service_started"}}]"#,
    );
    let conditions: Vec<_> = spec(&text).containers[1..]
        .iter()
        .map(|container| {
            assert_eq!(container.depends_on[0].container.as_str(), "database");
            container.depends_on[0].condition
        })
        .collect();
    let (healthy, started) = (DependencyCondition::Healthy, DependencyCondition::Started);
    assert_eq!(conditions, [None, None, Some(healthy), Some(started)]);
}

#[test]
fn health_checks_come_in_every_form() {
    let probe = |fields: &str| container(&format!(r#""healthCheck": {{{fields}}}"#)).health_check.unwrap().probe;
    let exec =
        |command: &[&str]| HealthProbe::Exec { command: command.iter().map(|word| (*word).to_owned()).collect() };
    assert_eq!(probe(r#""command": ["CMD", "wget", "x"]"#), exec(&["CMD", "wget", "x"]));
    assert_eq!(probe(r#""command": ["wget", "x"]"#), exec(&["CMD", "wget", "x"]));
    assert_eq!(probe(r#""test": "curl -f localhost""#), exec(&["CMD-SHELL", "curl -f localhost"]));
    assert_eq!(probe(r#""type": "http", "port": 80"#), HealthProbe::Http { port: 80, path: "/".into() });
    assert_eq!(probe(r#""type": "tcp", "port": 80"#), HealthProbe::Tcp { port: 80 });
    let grpc = HealthProbe::Grpc { port: 80, service: "x".into() };
    assert_eq!(probe(r#""type": "grpc", "port": 80, "service": "x" "#), grpc);
}

#[test]
fn health_times_are_seconds_as_numbers_or_text() {
    let check =
        container(r#""healthCheck": {"command": "x", "interval": "1m30s", "timeout": 5, "startPeriod": "10s"}"#)
            .health_check
            .unwrap();
    assert_eq!((check.interval, check.timeout, check.retries, check.start_period), (90, 5, 3, 10));
}

#[test]
fn mounts_come_as_objects_and_as_text() {
    let mounts = container(
        r#""volumeMounts": [{"name": "data", "mountPath": "/a", "driver": "local"}, {"hostPath": "/srv", "mountPath": "/b", "readOnly": true},
           "data:/c:ro", "/srv:/d", {"type": "tmpfs", "mountPath": "/e"}]"#,
    )
    .mounts;
    let volume = |driver: Option<&str>| MountSource::Volume {
        name: "data".into(),
        driver: driver.map(str::to_owned),
        external: false,
    };
    let bind = MountSource::Bind { path: "/srv".into() };
    let found: Vec<_> = mounts.into_iter().map(|mount| (mount.source, mount.target, mount.read_only)).collect();
    assert_eq!(
        found,
        [
            (volume(Some("local")), "/a".to_owned(), false),
            (bind.clone(), "/b".to_owned(), true),
            (volume(None), "/c".to_owned(), true),
            (bind, "/d".to_owned(), false),
            (MountSource::Tmpfs, "/e".to_owned(), false),
        ]
    );
    assert!(complaint(r#""volumes": ["./data:/data"]"#).1.contains("absolute path"));
    assert!(complaint(r#""volumes": ["data:/data:z"]"#).1.contains("\"z\" is not supported"));
}

#[test]
fn restart_policies_come_as_text_and_as_objects() {
    let policy = |value: &str| container(&format!(r#""restartPolicy": {value}"#)).restart_policy;
    assert_eq!(policy(r#""unless-stopped""#), RestartPolicy::UnlessStopped);
    assert_eq!(policy(r#""on-failure""#), RestartPolicy::OnFailure { max_retries: 3 });
    assert_eq!(
        policy(r#"{"name": "on-failure", "maximumRetryCount": 5}"#),
        RestartPolicy::OnFailure { max_retries: 5 }
    );
    assert_eq!(policy(r#"{"name": "always", "maximumRetryCount": 0}"#), RestartPolicy::Always);
    assert!(complaint(r#""restartPolicy": {"name": "always", "maximumRetryCount": 2}"#).1.contains("on-failure alone"));
}

#[test]
fn a_stack_of_too_many_containers_is_refused_at_once() {
    let parts = |count: usize| {
        let parts: Vec<_> = (0..count).map(|n| format!(r#"{{"name": "c{n}", "image": "i"}}"#)).collect();
        with_stack(&format!(r#""hasPart": [{}]"#, parts.join(",")))
    };
    assert_eq!(spec(&parts(MAX_CONTAINERS)).containers.len(), MAX_CONTAINERS);
    assert!(refused(&parts(MAX_CONTAINERS + 1))[0].message.contains("at most 500"));
}

#[test]
fn no_more_problems_are_listed_than_the_limit() {
    let keys: Vec<_> = (0..500).map(|n| format!(r#""k{n}": 1"#)).collect();
    assert_eq!(refused(&with_container(&keys.join(","))).len(), crate::stack::MAX_PROBLEMS);
}

#[test]
fn a_text_that_is_no_stack_says_what_is_missing() {
    for (text, expected) in [
        ("[]", "expected an object with `@context` and `@graph`"),
        ("{}", "`@type` is missing"),
        (r#"{"@graph": []}"#, "`@graph` is empty"),
        (
            r#"{"@graph": [{"@type": "Person", "name": "s", "hasPart": {"name": "a", "image": "b"}}]}"#,
            "expected a type that is",
        ),
        (r#"{"@graph": [{"@type": "Stack", "name": "s"}]}"#, "`hasPart` is missing"),
        (r#"{"@graph": [{"@type": "Stack", "hasPart": {"name": "a", "image": "b"}}]}"#, "`name` is missing"),
        (r#"{"@graph": [{"@type": "Stack", "name": "s", "hasPart": {"image": "b"}}]}"#, "`name` is missing"),
        (r#"{"@graph": [{"@type": "Stack", "name": "s", "hasPart": {"name": "a"}}]}"#, "`image` is missing"),
        (r#"{"@graph": [{"@type": "Stack", "name": "s", "hasPart": []}]}"#, "has no containers"),
    ] {
        let problems = refused(text);
        assert!(problems[0].message.starts_with(expected) || problems[0].message.contains(expected), "{problems:#?}");
    }
}

proptest! {
    /// Whatever is done to a text, it is read or refused, never worse, and every problem has a place in it.
    #[test]
    fn a_damaged_text_is_read_or_refused(
        cuts in proptest::collection::vec((0..4000_usize, 0..30_usize, "[\\PC\"{}\\[\\],:0-9a-z]{0,6}"), 1..4),
        second in proptest::bool::ANY,
    ) {
        let mut text: Vec<char> = if second { PAGES } else { SHOP }.chars().collect();
        for (start, length, put) in cuts {
            let start = start % text.len().max(1);
            let end = (start + length).min(text.len());
            text.splice(start..end, put.chars());
        }
        let text: String = text.into_iter().collect();
        if let Err(refused) = parse(&text) {
            prop_assert!(!refused.problems.is_empty());
            for problem in refused.problems {
                let line = problem.line.unwrap_or(0);
                prop_assert!(line >= 1 && line <= text.lines().count().max(1) + 1, "{}", problem);
            }
        }
    }
}
