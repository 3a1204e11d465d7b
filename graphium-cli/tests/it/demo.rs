//! The demo, and the command line at the cluster that it leaves running: once in memory wherever the tests run, and
//! once on a real engine where one answers. The flags of a case choose the engine.

use serde_json::Value;
use tempfile::TempDir;

use crate::graphium::{Ran, graphium, write};
use crate::talking::Talking;

/// A temporary folder, and a demo that keeps everything in it.
fn demo(flags: &[&str]) -> (TempDir, Talking) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = graphium(&[&["demo"], flags].concat());
    command.env("TMPDIR", folder.path());
    (folder, Talking::start(command))
}

fn assert_empty(folder: &TempDir) {
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "the temporary folder is empty");
}

pub(crate) fn story(flags: &[&str]) {
    let (folder, demo) = demo(&[flags, &["--once"]].concat());
    let ran = demo.end().ended(0);
    for told in ["killed", "attempt 1 lost", "exactly the three declared containers", "nothing left"] {
        assert!(ran.out.contains(told), "{told:?} is missing in:\n{}", ran.out);
    }
    for (web, host) in [("web-1", "localhost-docker"), ("web-2", "vm1"), ("web-3", "vm2")] {
        assert!(ran.out.contains(&format!("Hello again from {web} on {host}")), "{}", ran.out);
    }
    assert_eq!(ran.out.contains("simulated"), flags.contains(&"--memory"), "{}", ran.out);
    assert_empty(&folder);
}

pub(crate) fn two_at_once(flags: &[&str]) {
    let flags = [flags, &["--once"]].concat();
    let both = [demo(&flags), demo(&flags)];
    for (folder, demo) in both {
        demo.end().ended(0);
        assert_empty(&folder);
    }
}

pub(crate) fn interrupted(flags: &[&str]) {
    let (folder, mut demo) = demo(flags);
    demo.until("generation 2 accepted");
    demo.signal("INT");
    let ran = demo.end().ended(130);
    assert!(ran.out.contains("nothing left"), "{}", ran.out);
    assert_empty(&folder);
}

pub(crate) fn hung_up(flags: &[&str]) {
    let (folder, mut demo) = demo(flags);
    demo.until("generation 2 accepted");
    demo.signal("HUP");
    let ran = demo.end().ended(130);
    assert!(ran.out.contains("nothing left"), "{}", ran.out);
    assert_empty(&folder);
}

pub(crate) fn unheard(flags: &[&str]) {
    let (folder, mut demo) = demo(flags);
    demo.until("generation 2 accepted");
    let err = demo.unheard();
    assert!(!err.contains("still there") && !err.contains("cannot remove"), "{err}");
    assert_empty(&folder);
}

/// A cluster that runs on, and its stack file.
struct Cluster {
    folder: TempDir,
    demo: Talking,
    server: String,
    token_file: String,
    definition: String,
}

impl Cluster {
    fn start(flags: &[&str]) -> Self {
        let (folder, mut demo) = demo(flags);
        let line = demo.until("export GRAPHIUM_SERVER=");
        let value = |name: &str| {
            let found = line.split_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
            found.unwrap().to_owned()
        };
        let line_of_file = demo.until("stack deploy");
        let file = line_of_file.split_whitespace().find(|word| word.ends_with("stack.json")).unwrap();
        let definition = std::fs::read_to_string(file).unwrap();
        demo.until("Ctrl-C");
        Self { server: value("GRAPHIUM_SERVER"), token_file: value("GRAPHIUM_TOKEN_FILE"), definition, folder, demo }
    }

    fn command(&self, arguments: &[&str]) -> std::process::Command {
        let mut command = graphium(arguments);
        command.env("GRAPHIUM_SERVER", &self.server).env("GRAPHIUM_TOKEN_FILE", &self.token_file);
        command
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        self.command(arguments).output().unwrap().into()
    }

    fn json(&self, arguments: &[&str]) -> Value {
        self.run(&[arguments, &["--output", "json"]].concat()).ended(0).json()
    }

    /// The stack's file with another greeting.
    fn file(&self, greeting: &str) -> String {
        write(self.folder.path(), &format!("{greeting}.json"), &self.definition.replace("Hello again", greeting))
    }

    fn end(self) {
        self.demo.signal("INT");
        self.demo.end().ended(0);
    }
}

pub(crate) fn managed(flags: &[&str]) {
    let cluster = Cluster::start(flags);
    let hosts = cluster.json(&["host", "list"]);
    let states: Vec<_> = hosts.as_array().unwrap().iter().map(|host| &host["state"]).collect();
    assert_eq!(states, ["ready"; 3]);

    // A plan changes nothing, and says with 6 that there is something to change.
    let file = cluster.file("Salut");
    let plan = cluster.run(&["stack", "deploy", &file, "--plan"]).ended(6);
    assert!(plan.out.contains("replace web-2") && plan.out.contains("DEMO_GREETING"), "{plan:?}");
    assert_eq!(cluster.json(&["stack", "status", "demo"])["generation"], 2);
    cluster.run(&["stack", "deploy", &file, "--plan-hash", "0000000000000000"]).ended(4);

    let deployed = cluster.run(&["stack", "deploy", &file]).ended(0);
    assert!(deployed.out.contains("replace web-2") && deployed.out.contains("completed in"), "{deployed:?}");
    cluster.run(&["stack", "deploy", &file, "--plan"]).ended(0);

    for (verb, status) in [("stop", "stopped"), ("start", "running"), ("restart", "running")] {
        cluster.run(&["stack", verb, "demo"]).ended(0);
        assert_eq!(cluster.json(&["stack", "list"])[0]["status"], status, "after {verb}");
    }

    let removed = cluster.run(&["stack", "remove", "demo"]).ended(0);
    assert!(removed.out.contains("every host has confirmed"), "{removed:?}");
    assert_eq!(cluster.json(&["stack", "list"]), serde_json::json!([]));
    let stats = cluster.json(&["task", "stats"]);
    for open in ["pending", "assigned", "running"] {
        assert_eq!(stats["byStatus"].get(open).and_then(Value::as_u64).unwrap_or(0), 0, "{stats}");
    }
    cluster.end();
}

pub(crate) fn waited(flags: &[&str]) {
    let cluster = Cluster::start(flags);
    let deploy = |greeting: &str| Talking::start(cluster.command(&["stack", "deploy", &cluster.file(greeting)]));

    // Interrupted: the deployment goes on, and the words say how to follow it.
    let mut interrupted = deploy("Salut");
    interrupted.until("generation 3");
    interrupted.signal("INT");
    let ran = interrupted.end().ended(130);
    assert!(ran.err.contains("goes on") && ran.err.contains("stack status demo --follow"), "{ran:?}");

    // Superseded by a newer one.
    let mut superseded = deploy("Ciao");
    superseded.until("generation 4");
    cluster.run(&["stack", "deploy", &cluster.file("Hallo"), "--detach"]).ended(0);
    let ran = superseded.end().ended(4);
    assert!(ran.err.contains("superseded"), "{ran:?}");
    cluster.run(&["stack", "status", "demo", "--follow"]).ended(0);

    // Not within the time that it was given.
    let ran = cluster.run(&["stack", "restart", "demo", "--timeout", "1ms"]).ended(1);
    assert!(ran.err.contains("goes on"), "{ran:?}");
    cluster.run(&["stack", "status", "demo", "--follow"]).ended(0);
    assert_eq!(cluster.json(&["stack", "status", "demo"])["status"], "running");
    cluster.end();
}

macro_rules! in_memory {
    ($($name:ident => $case:ident;)*) => {$(
        #[test]
        fn $name() {
            $case(&["--memory"]);
        }
    )*};
}

in_memory! {
    the_demo_tells_its_story_in_memory_and_leaves_nothing => story;
    two_demos_at_once_in_memory_do_not_meet => two_at_once;
    a_demo_in_memory_that_is_interrupted_removes_everything => interrupted;
    a_demo_in_memory_whose_terminal_closes_removes_everything => hung_up;
    a_demo_in_memory_that_nobody_reads_removes_everything => unheard;
    a_stack_in_memory_is_planned_changed_stopped_started_and_removed => managed;
    a_wait_in_memory_ends_with_the_code_of_what_became_of_the_deployment => waited;
}

#[test]
fn without_an_engine_the_demo_says_how_to_get_one_and_tells_its_story_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = graphium(&["demo", "--once"]);
    command.env("TMPDIR", folder.path()).env("DOCKER_HOST", "unix:///nonexistent/docker.sock");
    let ran = Ran::from(command.output().unwrap()).ended(0);
    for told in ["no container engine answers", "docs.docker.com/engine/install", "ENGINE IN MEMORY", "nothing left"] {
        assert!(ran.out.contains(told), "{told:?} is missing in:\n{}", ran.out);
    }
}
