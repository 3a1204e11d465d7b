//! The stack itself: name, network, placement, and the list of containers.

use std::collections::BTreeMap;

use super::container;
use super::reader::{Cursor, Object, Report};
use super::scalar::{boolean, choice, name, text, written};
use crate::id::AgentId;
use crate::stack::document::Value;
use crate::stack::{MAX_CONTAINERS, NetworkSpec, PlacementStrategy, StackSpec};

pub(super) fn read(mut object: Object<'_>, at: &Cursor<'_>, report: &mut Report<'_>) -> Option<StackSpec> {
    check_type(&mut object, at, report);
    report.origin("", at);
    let stack_name = object.take("name");
    let description = object.take("description").and_then(|at| text(&at, report));
    let comment = object.take("comment").and_then(|at| text(&at, report));
    let host = object.take("locatedInHost").and_then(|at| {
        report.origin("host", &at);
        host(&at, report)
    });
    let deployment = object.take("deployment").map(|at| deployment(&at, report)).unwrap_or_default();
    let network = object.take("network").and_then(|at| network(&at, report));
    let parts = object.take("hasPart");
    object.finish(report);

    if stack_name.is_none() {
        report.problem(at, "`name` is missing: the stack needs one");
    }
    let Some(parts) = parts else {
        report.problem(at, "`hasPart` is missing: it lists the containers");
        return None;
    };
    report.origin("containers", &parts);
    let items = parts.items();
    if items.len() > MAX_CONTAINERS {
        report.problem(&parts, format!("{} containers are too many: at most {MAX_CONTAINERS}", items.len()));
        return None;
    }
    let names = container::names(&items);
    // One that cannot even be named would make every mention of it look wrong, so nothing more is checked then.
    let count = items.len();
    let containers: Vec<_> =
        items.iter().enumerate().filter_map(|(index, item)| container::read(item, index, &names, report)).collect();
    let stack_name = name(&stack_name?, report)?;
    (containers.len() == count).then_some(StackSpec {
        name: stack_name,
        description,
        comment: deployment.comment.or(comment),
        strategy: deployment.strategy,
        host_constraints: deployment.host_constraints,
        host,
        network,
        containers,
    })
}

fn check_type(object: &mut Object<'_>, at: &Cursor<'_>, report: &mut Report<'_>) {
    let Some(types) = object.take("@type") else {
        report.problem(at, "`@type` is missing: a stack has `datacenter:Stack` or `Stack`");
        return;
    };
    let is_stack = |item: &Cursor<'_>| matches!(&item.node.value, Value::Text(name) if name == "Stack" || name.ends_with(":Stack"));
    if !types.items().iter().any(is_stack) {
        types.expected("a type that is `datacenter:Stack` or `Stack`", report);
    }
}

/// A host: its id, or an object with it.
pub(super) fn host(at: &Cursor<'_>, report: &mut Report<'_>) -> Option<AgentId> {
    if !matches!(at.node.value, Value::Object(_)) {
        return name(at, report);
    }
    let mut object = at.object("a host", report)?;
    let id = object.take("@id");
    drop(object.take("name"));
    object.finish(report);
    match id {
        Some(id) => name(&id, report),
        None => {
            report.problem(at, "`@id` is missing: it names the host");
            None
        }
    }
}

/// What the `deployment` section says.
#[derive(Debug, Default)]
struct DeploymentSection {
    strategy: PlacementStrategy,
    host_constraints: Vec<AgentId>,
    comment: Option<String>,
}

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    MultiHost,
    SingleHost,
}

#[derive(Clone, Copy)]
enum Strategy {
    Known(PlacementStrategy),
    NotYet,
}

fn deployment(at: &Cursor<'_>, report: &mut Report<'_>) -> DeploymentSection {
    let Some(mut object) = at.object("an object with `placementStrategy`", report) else {
        return DeploymentSection::default();
    };
    let modes = [("multi-host", Mode::MultiHost), ("single-host", Mode::SingleHost)];
    let mode = object.take("mode").and_then(|at| choice(&at, &modes, report));
    let named = object.take("placementStrategy");
    let strategy = match &named {
        Some(named) => strategy(named, report).unwrap_or_default(),
        None => {
            if mode == Some(Mode::MultiHost) {
                report.problem(at, "`placementStrategy` is missing: with mode multi-host it is manual or spread");
            }
            PlacementStrategy::Together
        }
    };
    if let (Some(named), Some(Mode::SingleHost), PlacementStrategy::Spread) = (&named, mode, strategy) {
        report.problem(named, "spread contradicts mode single-host: choose one of them");
    }
    if let Some(target) = object.take("targetDatacenter") {
        report.problem(&target, "targetDatacenter is not supported yet: name hosts in `hostConstraints`");
    }
    if let Some(mode) = object.take("networkMode") {
        network_mode(&mode, report);
    }
    let constraints = object.take("hostConstraints");
    let host_constraints = constraints.map(|at| {
        report.origin("hostConstraints", &at);
        at.items().iter().filter_map(|item| host(item, report)).collect()
    });
    let comment = object.take("comment").and_then(|at| text(&at, report));
    object.finish(report);
    DeploymentSection { strategy, host_constraints: host_constraints.unwrap_or_default(), comment }
}

fn strategy(at: &Cursor<'_>, report: &mut Report<'_>) -> Option<PlacementStrategy> {
    let words = [
        ("manual", Strategy::Known(PlacementStrategy::Manual)),
        ("spread", Strategy::Known(PlacementStrategy::Spread)),
        ("auto", Strategy::NotYet),
        ("datacenter", Strategy::NotYet),
    ];
    match choice(at, &words, report)? {
        Strategy::Known(strategy) => Some(strategy),
        Strategy::NotYet => {
            let given = at.node.value.describe();
            report.problem(at, format!("placementStrategy: {given} is not supported yet: use manual or spread"));
            None
        }
    }
}

fn network_mode(at: &Cursor<'_>, report: &mut Report<'_>) {
    if matches!(&at.node.value, Value::Text(mode) if mode.eq_ignore_ascii_case("overlay")) {
        report.problem(at, "networkMode overlay is not supported: nothing here builds one. Use host-port");
    } else {
        choice(at, &[("host-port", ())], report);
    }
}

fn network(at: &Cursor<'_>, report: &mut Report<'_>) -> Option<NetworkSpec> {
    let mut object = at.object("an object with the network's `name`", report)?;
    report.origin("network", at);
    let field = |object: &mut Object<'_>, key: &'static str, report: &mut Report<'_>| {
        let value = object.take(key)?;
        report.origin(format!("network.{key}"), &value);
        text(&value, report)
    };
    let network_name = field(&mut object, "name", report);
    let driver = field(&mut object, "driver", report);
    let subnet = field(&mut object, "subnet", report);
    let gateway = field(&mut object, "gateway", report);
    let ip_range = field(&mut object, "ipRange", report);
    let create_if_not_exists = object.take("createIfNotExists").and_then(|at| boolean(&at, report)).unwrap_or(true);
    let external = object.take("external").and_then(|at| boolean(&at, report)).unwrap_or(false);
    let options = object.take("options").map(|at| text_map(&at, report)).unwrap_or_default();
    let labels = object.take("labels").map(|at| {
        report.origin("network.labels", &at);
        text_map(&at, report)
    });
    let named = object.has("name");
    object.finish(report);
    if !named {
        report.problem(at, "`name` is missing: the network needs one");
    }
    let base = NetworkSpec::bridge(network_name?);
    Some(NetworkSpec {
        driver: driver.unwrap_or(base.driver),
        name: base.name,
        create_if_not_exists,
        external,
        subnet,
        gateway,
        ip_range,
        options,
        labels: labels.unwrap_or_default(),
    })
}

/// Text by text, keys being the user's own.
pub(super) fn text_map(at: &Cursor<'_>, report: &mut Report<'_>) -> BTreeMap<String, String> {
    let Some(entries) = at.entries() else {
        at.expected("an object of names and texts", report);
        return BTreeMap::new();
    };
    entries.into_iter().filter_map(|(key, value)| Some((key.to_owned(), written(&value, report)?))).collect()
}
