//! The architecture, enforced: which module may use which, and what stays inside one folder.
//!
//! Reads the sources themselves. Code under `#[cfg(test)]` is free to use what it likes.

use std::fmt;
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};

/// The modules of the core, each with those it may use. Everything may use itself.
const ARROWS: [(&str, &[&str]); 14] = [
    ("id", &["clock"]),
    ("clock", &[]),
    ("event", &["id", "clock", "task", "stack"]),
    ("task", &["id", "clock", "event", "stack"]),
    ("stack", &["id", "clock", "event", "task"]),
    ("plan", &["id", "clock", "event", "task", "stack", "placement"]),
    ("placement", &["id", "clock", "event", "task", "stack"]),
    ("store", &["id", "clock", "event", "task", "stack", "plan", "placement"]),
    ("deploy", &["id", "clock", "event", "task", "stack", "plan", "placement"]),
    ("execute", &["id", "clock", "event", "task", "stack", "plan", "placement", "store", "deploy"]),
    ("agent", &["id", "clock", "event", "task", "stack", "plan", "placement", "store", "deploy", "execute"]),
    ("control", &["id", "clock", "event", "task", "stack", "plan", "placement", "store", "deploy", "execute"]),
    ("conformance", &["id", "clock", "event", "task", "stack", "plan", "placement", "store", "deploy"]),
    ("testing", &["id", "clock", "event", "task", "stack", "plan", "placement", "store", "deploy", "execute"]),
];

/// A crate, and the only folder that may name it.
const CONFINED: [(&str, &str); 3] = [
    ("rusqlite", "graphium-core/src/store/sql/sqlite"),
    ("tokio_postgres", "graphium-core/src/store/sql/postgres"),
    ("bollard", "graphium-core/src/deploy/docker"),
];

/// Modules that decide and never wait.
const PURE: [&str; 2] = ["plan", "placement"];

/// The only file that reads the wall clock.
const CLOCK: &str = "graphium-core/src/clock.rs";
/// What reads the wall clock, or a clock that a paused test cannot move.
const WALL_CLOCKS: [&str; 4] = ["SystemTime", "Utc::now", "Local::now", "std::time::Instant"];

/// Names that say nothing.
const FORBIDDEN_NAMES: [&str; 7] = ["util", "common", "helpers", "misc", "manager", "types", "models"];

/// A broken rule.
#[derive(Debug, PartialEq, Eq)]
struct Violation {
    file: String,
    what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file, self.what)
    }
}

/// Checks one source file, by its path from the root of the workspace.
fn check(file: &str, source: &str) -> Vec<Violation> {
    let parsed = syn::parse_file(source).unwrap_or_else(|error| panic!("{file} is no Rust: {error}"));
    let mut reader = Reader { file, module: module_of(file), found: Vec::new() };
    reader.visit_file(&parsed);
    reader.found.into_iter().map(|what| Violation { file: file.to_owned(), what }).collect()
}

fn check_name(file: &str) -> Option<Violation> {
    let forbidden = |part: &&str| {
        FORBIDDEN_NAMES.contains(&part.trim_end_matches(".rs").trim_end_matches("s"))
            || FORBIDDEN_NAMES.contains(&part.trim_end_matches(".rs"))
    };
    let part = file.split('/').find(forbidden)?;
    Some(Violation { file: file.to_owned(), what: format!("{part:?} says nothing: name it after its noun") })
}

/// `graphium-core/src/store/call.rs` is the module `["store", "call"]`.
fn module_of(file: &str) -> Vec<String> {
    let inside = file.split_once("src/").map_or(file, |(_, inside)| inside);
    let parts = inside.trim_end_matches(".rs").split('/').map(str::to_owned);
    parts.filter(|part| part != "mod" && part != "lib" && part != "main").collect()
}

/// Walks a file and notes what it must not do.
struct Reader<'a> {
    file: &'a str,
    module: Vec<String>,
    found: Vec<String>,
}

impl Reader<'_> {
    /// A path as it is written, segment by segment.
    fn path(&mut self, segments: &[String]) {
        let written = segments.join("::");
        if let Some(first) = segments.first() {
            for (foreign, home) in CONFINED {
                if first == foreign && !self.file.starts_with(home) {
                    self.found.push(format!("{foreign} is named outside {home}: {written}"));
                }
            }
        }
        if self.file != CLOCK && WALL_CLOCKS.iter().any(|clock| mentions(&written, clock)) {
            self.found.push(format!("the wall clock is read outside {CLOCK}: {written}"));
        }
        if self.file.starts_with("graphium-core/src/")
            && let Some(target) = self.core_module(segments)
        {
            self.arrow(&target);
        }
    }

    /// The top module of the core that a path leads to, where it leads to one.
    fn core_module(&self, segments: &[String]) -> Option<String> {
        let supers = segments.iter().take_while(|segment| *segment == "super").count();
        let rest = match segments.first()?.as_str() {
            "crate" => &segments[1..],
            "super" if supers >= self.module.len() => &segments[supers..],
            _ => return None,
        };
        rest.first().cloned()
    }

    fn arrow(&mut self, target: &str) {
        let Some(own) = self.module.first() else { return };
        let known = |name: &str| ARROWS.iter().find(|(module, _)| *module == name);
        if own == target || known(target).is_none() {
            return;
        }
        match known(own) {
            Some((_, allowed)) if allowed.contains(&target) => {}
            Some(_) => self.found.push(format!("{own} must not use {target}")),
            None => self.found.push(format!("{own} stands in no arrow: add it to ARROWS, with what it may use")),
        }
    }

    fn waits(&mut self, what: &str) {
        let own = self.module.first().map_or("", String::as_str);
        if self.file.starts_with("graphium-core/src/") && PURE.contains(&own) {
            self.found.push(format!("{own} decides and never waits, but has {what}"));
        }
    }

    /// Every leaf of a `use`, as a path.
    fn use_tree(&mut self, before: &mut Vec<String>, tree: &syn::UseTree) {
        match tree {
            syn::UseTree::Path(path) => {
                before.push(path.ident.to_string());
                self.use_tree(before, &path.tree);
                before.pop();
            }
            syn::UseTree::Name(syn::UseName { ident }) | syn::UseTree::Rename(syn::UseRename { ident, .. }) => {
                before.push(ident.to_string());
                self.path(before);
                before.pop();
            }
            syn::UseTree::Glob(_) => self.path(before),
            syn::UseTree::Group(group) => group.items.iter().for_each(|tree| self.use_tree(before, tree)),
        }
    }

    /// Paths inside a macro's arguments, which are tokens and no syntax yet.
    fn tokens(&mut self, tokens: &str) {
        let joined = tokens.replace(" :: ", "::");
        for written in joined.split(|c: char| !(c.is_alphanumeric() || "_:".contains(c))) {
            let segments: Vec<_> = written.split("::").map(str::to_owned).collect();
            if segments.len() > 1 {
                self.path(&segments);
            }
        }
        if joined.split_whitespace().any(|word| word.ends_with(".await") || word == "await") {
            self.waits("an await");
        }
    }
}

/// Whether a path has these segments, one after the other.
fn mentions(written: &str, segments: &str) -> bool {
    format!("::{written}::").contains(&format!("::{segments}::"))
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        if !is_test(&function.attrs) {
            visit::visit_item_fn(self, function);
        }
    }

    fn visit_item_impl(&mut self, block: &'ast syn::ItemImpl) {
        if !is_test(&block.attrs) {
            visit::visit_item_impl(self, block);
        }
    }

    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        if is_test(&module.attrs) {
            return;
        }
        self.module.push(module.ident.to_string());
        visit::visit_item_mod(self, module);
        self.module.pop();
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if !is_test(&item.attrs) {
            self.use_tree(&mut Vec::new(), &item.tree);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<_> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.path(&segments);
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, called: &'ast syn::Macro) {
        self.tokens(&called.tokens.to_string());
        visit::visit_macro(self, called);
    }

    fn visit_signature(&mut self, signature: &'ast syn::Signature) {
        if signature.asyncness.is_some() {
            self.waits("an async fn");
        }
        visit::visit_signature(self, signature);
    }

    fn visit_expr_async(&mut self, block: &'ast syn::ExprAsync) {
        self.waits("an async block");
        visit::visit_expr_async(self, block);
    }

    fn visit_expr_closure(&mut self, closure: &'ast syn::ExprClosure) {
        if closure.asyncness.is_some() {
            self.waits("an async closure");
        }
        visit::visit_expr_closure(self, closure);
    }

    fn visit_expr_await(&mut self, expression: &'ast syn::ExprAwait) {
        self.waits("an await");
        visit::visit_expr_await(self, expression);
    }
}

fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg") && attribute.parse_args::<syn::Path>().is_ok_and(|path| path.is_ident("test"))
    })
}

/// The public modules that a file declares.
#[derive(Default)]
struct Modules(Vec<String>);

impl<'ast> Visit<'ast> for Modules {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        if matches!(module.vis, syn::Visibility::Public(_)) {
            self.0.push(module.ident.to_string());
        }
    }
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests lie in the workspace").to_owned()
}

/// Every Rust file below a folder of the workspace, by its path from the root.
fn rust_files(folder: &str) -> Vec<String> {
    let mut files = Vec::new();
    let mut folders = vec![workspace().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path.strip_prefix(workspace()).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    files.sort();
    files
}

fn listed(violations: &[Violation]) -> String {
    violations.iter().map(|violation| format!("\n  {violation}")).collect()
}

#[test]
fn the_sources_keep_the_architecture() {
    let mut violations = Vec::new();
    for crate_name in ["graphium-core", "graphium-http", "graphium-cli"] {
        let files = rust_files(&format!("{crate_name}/src"));
        assert!(!files.is_empty(), "no sources of {crate_name} were found");
        for file in files.iter().filter(|file| !file.contains("/tests/") && !file.ends_with("/tests.rs")) {
            let source = std::fs::read_to_string(workspace().join(file)).unwrap();
            violations.extend(check(file, &source));
        }
    }
    assert!(violations.is_empty(), "{}", listed(&violations));
}

#[test]
fn every_file_is_named_after_its_noun() {
    let crates = ["graphium-core", "graphium-http", "graphium-cli", "examples", "benches", "tests"];
    let named = crates.iter().flat_map(|folder| rust_files(folder)).filter_map(|file| check_name(&file));
    let violations: Vec<_> = named.collect();
    assert!(violations.is_empty(), "{}", listed(&violations));
}

#[test]
fn a_module_that_points_back_is_caught_however_it_says_so() {
    let file = "graphium-core/src/store/call.rs";
    for source in [
        "use crate::deploy::Deployer;",
        "use crate::{id::TaskId, deploy::{self, Deployer}};",
        "use super::super::deploy::Deployer;",
        "fn f() -> crate::deploy::DeployError { todo!() }",
        "fn f() { g(crate::deploy::label::HOST) }",
        "fn f() { println!(\"{}\", crate::deploy::label::HOST) }",
        "mod inner { use super::super::super::deploy::Deployer; }",
    ] {
        let found = check(file, source);
        assert!(found.iter().any(|violation| violation.what == "store must not use deploy"), "{source}: {found:?}");
    }
}

#[test]
fn a_module_that_points_forward_is_not_caught() {
    for (file, source) in [
        ("graphium-core/src/store/call.rs", "use crate::task::Task; use super::StoreError;"),
        ("graphium-core/src/store/sql/sqlite/mod.rs", "use rusqlite::Connection;"),
        ("graphium-core/src/deploy/docker/mod.rs", "use bollard::Docker; async fn f() {}"),
        ("graphium-core/src/clock.rs", "fn f() { std::time::SystemTime::now(); }"),
        ("graphium-core/src/store/call.rs", "#[cfg(test)] mod tests { use crate::deploy::Deployer; }"),
        ("graphium-core/src/agent/lease.rs", "use tokio::time::Instant; fn f() { Instant::now(); }"),
    ] {
        assert_eq!(check(file, source), [], "{file}: {source}");
    }
}

#[test]
fn a_foreign_type_outside_its_folder_is_caught() {
    for (file, source) in [
        ("graphium-core/src/store/mod.rs", "pub type Open = rusqlite::Connection;"),
        ("graphium-core/src/store/mod.rs", "fn f() { rusqlite::Connection::open_in_memory(); }"),
        ("graphium-http/src/lib.rs", "use bollard::Docker;"),
        ("graphium-core/src/deploy/error.rs", "impl From<bollard::errors::Error> for DeployError {}"),
    ] {
        let found = check(file, source);
        assert!(found.iter().any(|violation| violation.what.contains("is named outside")), "{source}: {found:?}");
    }
}

#[test]
fn a_plan_that_waits_is_caught() {
    for source in [
        "async fn f() {}",
        "fn f() { let later = async { 1 }; }",
        "trait T { async fn f(&self); }",
        "fn f() { g(async move || 1) }",
        "fn f() { tokio::select! { _ = later => {} }; vec![later.await]; }",
    ] {
        let found = check("graphium-core/src/placement/score.rs", source);
        assert!(found.iter().any(|violation| violation.what.contains("never waits")), "{source}: {found:?}");
    }
}

#[test]
fn a_second_reader_of_the_wall_clock_is_caught() {
    for source in [
        "use std::time::{Duration, SystemTime};",
        "fn f() { chrono::Utc::now(); }",
        "fn f() { println!(\"{:?}\", std::time::Instant::now()) }",
    ] {
        let found = check("graphium-cli/src/main.rs", source);
        assert!(found.iter().any(|violation| violation.what.contains("wall clock")), "{source}: {found:?}");
    }
}

#[test]
fn a_name_that_says_nothing_is_caught() {
    for file in
        ["graphium-core/src/util.rs", "tests/it/common/mod.rs", "graphium-http/src/models/task.rs", "a/utils.rs"]
    {
        assert!(check_name(file).is_some(), "{file}");
    }
    assert_eq!(check_name("graphium-core/src/store/call.rs"), None);
}

#[test]
fn every_module_of_the_core_stands_in_the_arrows() {
    let library = std::fs::read_to_string(workspace().join("graphium-core/src/lib.rs")).unwrap();
    let parsed = syn::parse_file(&library).unwrap();
    let mut modules = Modules::default();
    modules.visit_file(&parsed);
    assert!(modules.0.len() >= ARROWS.len(), "the library is read: {:?}", modules.0);
    let missing: Vec<_> = modules.0.iter().filter(|name| !ARROWS.iter().any(|(known, _)| known == name)).collect();
    assert!(missing.is_empty(), "{missing:?} must be added to ARROWS");
}
