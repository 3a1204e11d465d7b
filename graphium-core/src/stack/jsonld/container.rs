//! One container of `hasPart`.

use std::collections::BTreeMap;

use super::reader::{Cursor, Object, Report};
use super::scalar::{choice, cpu, memory, name, number, seconds, text, words, written};
use super::stack::{host, text_map};
use super::{health, mount};
use crate::id::ContainerName;
use crate::stack::document::Value;
use crate::stack::{
    ContainerSpec, Dependency, DependencyCondition, MAX_REPLICAS, PortSpec, Protocol, PullPolicy, ResourceLimits,
    ResourceRequirements, Resources, RestartPolicy,
};

/// The containers' `@id`s with the names they stand for.
pub(super) type Names = BTreeMap<String, String>;

/// Collects ids ahead, since a dependency may name a container further down.
pub(super) fn names(parts: &[Cursor<'_>]) -> Names {
    let field = |part: &Cursor<'_>, key: &str| match &part.node.value {
        Value::Object(entries) => {
            let entry = entries.iter().find(|entry| entry.key == key)?;
            if let Value::Text(text) = &entry.value.value { Some(text.clone()) } else { None }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) | Value::List(_) => None,
    };
    parts.iter().filter_map(|part| Some((field(part, "@id")?, field(part, "name")?))).collect()
}

/// Reads one; none where it has no valid name.
pub(super) fn read(at: &Cursor<'_>, index: usize, names: &Names, report: &mut Report<'_>) -> Option<ContainerSpec> {
    let mut object = at.object("a container, an object", report)?;
    let here = format!("containers[{index}]");
    report.origin(here.as_str(), at);
    let container_name = object.take("name");
    let image = object.take("image");
    if container_name.is_none() {
        report.problem(at, "`name` is missing: the container needs one");
    }
    let mut fields = Fields { object, here, report };
    let image = match image {
        Some(image) => fields.at("image", &image, text),
        None => {
            fields.report.problem(at, "`image` is missing: the container needs one");
            None
        }
    };
    let spec_name = container_name.and_then(|at| fields.at("name", &at, name::<ContainerName>));
    let mut spec = ContainerSpec::new(spec_name?, image.unwrap_or_default());
    fields.process(&mut spec);
    fields.surroundings(&mut spec, names);
    fields.object.finish(fields.report);
    Some(spec)
}

/// The fields of one container, each remembered by where it stands.
struct Fields<'n, 'r, 't> {
    object: Object<'n>,
    here: String,
    report: &'r mut Report<'t>,
}

impl<'n, 't> Fields<'n, '_, 't> {
    fn at<T>(&mut self, field: &str, at: &Cursor<'n>, read: impl Fn(&Cursor<'n>, &mut Report<'t>) -> T) -> T {
        self.report.origin(format!("{}.{field}", self.here), at);
        read(at, self.report)
    }

    fn take<T>(
        &mut self,
        field: &str,
        names: &[&'static str],
        read: impl Fn(&Cursor<'n>, &mut Report<'t>) -> Option<T>,
    ) -> Option<T> {
        let at = self.object.take_any(names, self.report)?;
        self.at(field, &at, read)
    }

    fn list<T>(
        &mut self,
        field: &str,
        names: &[&'static str],
        read: impl Fn(&Cursor<'n>, &mut Report<'t>) -> Option<T>,
    ) -> Vec<T> {
        let Some(at) = self.object.take_any(names, self.report) else { return Vec::new() };
        self.report.origin(format!("{}.{field}", self.here), &at);
        let mut found = Vec::new();
        for item in at.items() {
            let place = format!("{field}[{}]", found.len());
            found.extend(self.at(&place, &item, &read));
        }
        found
    }

    /// What runs, and how.
    fn process(&mut self, spec: &mut ContainerSpec) {
        spec.description = self.take("description", &["description"], text);
        spec.container_name = self.take("containerName", &["containerName"], text);
        spec.entrypoint = self.take("entrypoint", &["entrypoint"], some(words)).unwrap_or_default();
        spec.command = self.take("command", &["command"], some(words)).unwrap_or_default();
        spec.args = self.take("args", &["args"], some(words)).unwrap_or_default();
        spec.env = self.take("env", &["environment", "environmentVariable"], some(environment)).unwrap_or_default();
        spec.working_dir = self.take("workingDir", &["workingDir"], text);
        spec.user = self.take("user", &["user"], written);
        spec.labels = self.take("labels", &["labels"], some(text_map)).unwrap_or_default();
        if let Some(policy) = self.take("restartPolicy", &["restartPolicy"], restart_policy) {
            spec.restart_policy = policy;
        }
        let policies = [
            ("always", PullPolicy::Always),
            ("if-not-present", PullPolicy::IfNotPresent),
            ("never", PullPolicy::Never),
        ];
        let pull = |at: &Cursor<'n>, report: &mut Report<'t>| choice(at, &policies, report);
        if let Some(policy) = self.take("pullPolicy", &["pullPolicy"], pull) {
            spec.pull_policy = policy;
        }
        if let Some(timeout) = self.take("stopTimeout", &["stopTimeout"], seconds) {
            spec.stop_timeout = timeout;
        }
        if let Some(uptime) = self.take("minUptimeSeconds", &["minUptimeSeconds"], seconds) {
            spec.min_uptime_seconds = uptime;
        }
    }

    /// What is around it: ports, mounts, dependencies, host.
    fn surroundings(&mut self, spec: &mut ContainerSpec, names: &Names) {
        spec.ports = self.list("ports", &["ports", "containerPort"], port);
        spec.mounts = self.list("mounts", &["volumes", "volumeMounts", "volumeMount"], mount::read);
        let dependency = |at: &Cursor<'n>, report: &mut Report<'t>| dependency(at, names, report);
        spec.depends_on = self.list("dependsOn", &["dependsOn"], dependency);
        spec.health_check = self.take("healthCheck", &["healthCheck", "healthcheck"], health::read);
        spec.resources = self.take("resources", &["resources"], resources).unwrap_or_default();
        spec.requirements = self.take("requirements", &["resourceRequirements"], requirements).unwrap_or_default();
        let replicas = |at: &Cursor<'n>, report: &mut Report<'t>| number(at, 0, MAX_REPLICAS, report);
        if let Some(replicas) = self.take("replicas", &["replicas"], replicas) {
            spec.replicas = replicas;
        }
        spec.host = self.take("host", &["locatedInHost"], host);
    }
}

/// Makes a reader that always answers into one that may not.
fn some<'n, 't, T>(
    read: impl Fn(&Cursor<'n>, &mut Report<'t>) -> T,
) -> impl Fn(&Cursor<'n>, &mut Report<'t>) -> Option<T> {
    move |at, report| Some(read(at, report))
}

fn environment<'n>(at: &Cursor<'n>, report: &mut Report<'_>) -> BTreeMap<String, String> {
    let mut env = BTreeMap::new();
    let pairs = match &at.node.value {
        Value::List(_) => at.items().iter().filter_map(|item| variable(item, report)).collect(),
        Value::Object(entries) if entries.iter().any(|entry| entry.key == "@type") => {
            variable(at, report).into_iter().collect()
        }
        Value::Object(_) => {
            let entries = at.entries().unwrap_or_default();
            let read = |(key, value): (&'n str, Cursor<'n>)| {
                let text = written(&value, report)?;
                Some((key.to_owned(), text, value))
            };
            entries.into_iter().filter_map(read).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) => {
            at.expected("an object of names and values, or a list of {name, value}", report);
            Vec::new()
        }
    };
    for (key, value, at) in pairs {
        if env.insert(key.clone(), value).is_some() {
            report.problem(&at, format!("variable {key} is given twice: keep one"));
        }
    }
    env
}

/// `{name, value}`, or `NAME=value`.
fn variable<'n>(at: &Cursor<'n>, report: &mut Report<'_>) -> Option<(String, String, Cursor<'n>)> {
    if let Value::Text(pair) = &at.node.value {
        let Some((key, value)) = pair.split_once('=') else {
            let message = format!("variable {pair} has no value: write {pair}=value, or \"${{{pair}}}\" as its value");
            report.problem(at, message);
            return None;
        };
        return Some((key.to_owned(), value.to_owned(), at.clone()));
    }
    let mut object = at.object("{name, value} or \"NAME=value\"", report)?;
    let key = object.take("name");
    let value = object.take("value");
    object.finish(report);
    let (Some(key), Some(value)) = (key, value) else {
        report.problem(at, "a variable has a `name` and a `value`");
        return None;
    };
    Some((text(&key, report)?, written(&value, report)?, at.clone()))
}

fn port(at: &Cursor<'_>, report: &mut Report<'_>) -> Option<PortSpec> {
    let mut object = at.object("a port, an object with `containerPort`", report)?;
    let inside = object.take_any(&["containerPort", "portNumber"], report);
    let outside = object.take("hostPort").and_then(|at| number(&at, 0, u16::MAX, report));
    let protocols = [("tcp", Protocol::Tcp), ("udp", Protocol::Udp), ("sctp", Protocol::Sctp)];
    let protocol = object.take("protocol").and_then(|at| choice(&at, &protocols, report));
    let host_ip = object.take_any(&["hostIP", "hostIp"], report).and_then(|at| name(&at, report));
    drop(object.take("name"));
    object.finish(report);
    let Some(inside) = inside else {
        report.problem(at, "`containerPort` is missing: the port inside the container");
        return None;
    };
    Some(PortSpec {
        container_port: number(&inside, 1, u16::MAX, report)?,
        host_port: outside.filter(|port| *port != 0),
        protocol: protocol.unwrap_or_default(),
        host_ip,
    })
}

fn restart_policy(at: &Cursor<'_>, report: &mut Report<'_>) -> Option<RestartPolicy> {
    if !matches!(at.node.value, Value::Object(_)) {
        return name(at, report);
    }
    let mut object = at.object("a restart policy", report)?;
    let policy = object.take("name");
    let count = object.take("maximumRetryCount");
    object.finish(report);
    let Some(policy) = policy else {
        report.problem(at, "`name` is missing: no, always, unless-stopped or on-failure");
        return None;
    };
    let policy = name(&policy, report)?;
    let Some(count) = count else { return Some(policy) };
    let max_retries = number(&count, 0, u32::MAX, report)?;
    // Engines write 0 where no count was given.
    if max_retries == 0 {
        return Some(policy);
    }
    if matches!(policy, RestartPolicy::OnFailure { .. }) {
        return Some(RestartPolicy::OnFailure { max_retries });
    }
    report.problem(&count, "maximumRetryCount is for on-failure alone");
    None
}

fn dependency(at: &Cursor<'_>, names: &Names, report: &mut Report<'_>) -> Option<Dependency> {
    if !matches!(at.node.value, Value::Object(_)) {
        return Some(Dependency { container: named(at, names, report)?, condition: None });
    }
    let mut object = at.object("a dependency", report)?;
    let by_id = object.take("@id");
    let by_name = object.take_any(&["container", "name"], report);
    let conditions = [
        ("started", DependencyCondition::Started),
        ("healthy", DependencyCondition::Healthy),
        ("completed", DependencyCondition::Completed),
        ("service_started", DependencyCondition::Started),
        ("service_healthy", DependencyCondition::Healthy),
        ("service_completed_successfully", DependencyCondition::Completed),
    ];
    let condition = object.take("condition").and_then(|at| choice(&at, &conditions, report));
    object.finish(report);
    let Some(target) = by_name.or(by_id) else {
        report.problem(at, "`container` is missing: the name of the container that is needed");
        return None;
    };
    Some(Dependency { container: named(&target, names, report)?, condition })
}

/// A container, by its name or by its `@id`.
fn named(at: &Cursor<'_>, names: &Names, report: &mut Report<'_>) -> Option<ContainerName> {
    let given = text(at, report)?;
    let known = names.values().any(|name| *name == given);
    let target = if known { &given } else { names.get(&given).unwrap_or(&given) };
    match target.parse() {
        Ok(container) => Some(container),
        Err(_) => {
            report.problem(at, format!("no container has the name or `@id` {given:?}"));
            None
        }
    }
}

fn resources(at: &Cursor<'_>, report: &mut Report<'_>) -> Option<Resources> {
    let mut object = at.object("an object with `cpu` and `memory`", report)?;
    let direct = amounts(&mut object, report);
    let limits = object.take("limits");
    let reservations = object.take("reservations").and_then(|at| amounts_of(&at, report)).unwrap_or_default();
    object.finish(report);
    if let Some(limits) = &limits
        && !direct.is_empty()
    {
        report.problem(limits, "`cpu` and `memory` beside `limits` are the same thing: keep one of them");
    }
    let limits = limits.and_then(|at| amounts_of(&at, report)).unwrap_or(direct);
    Some(Resources { limits, reservations })
}

fn amounts_of(at: &Cursor<'_>, report: &mut Report<'_>) -> Option<ResourceLimits> {
    let mut object = at.object("an object with `cpu` and `memory`", report)?;
    let found = amounts(&mut object, report);
    object.finish(report);
    Some(found)
}

fn amounts(object: &mut Object<'_>, report: &mut Report<'_>) -> ResourceLimits {
    ResourceLimits {
        cpu_millis: object.take("cpu").and_then(|at| cpu(&at, report)),
        memory_bytes: object.take("memory").and_then(|at| memory(&at, report)),
    }
}

fn requirements(at: &Cursor<'_>, report: &mut Report<'_>) -> Option<ResourceRequirements> {
    let mut object = at.object("an object with `minCPU` and `minMemory`", report)?;
    let minimum = ResourceLimits {
        cpu_millis: object.take("minCPU").and_then(|at| cpu(&at, report)),
        memory_bytes: object.take("minMemory").and_then(|at| memory(&at, report)),
    };
    let required_labels = object.take("requiredLabels").map(|at| text_map(&at, report)).unwrap_or_default();
    let preferred_datacenter = object.take("preferredDatacenter").and_then(|at| text(&at, report));
    object.finish(report);
    Some(ResourceRequirements { minimum, required_labels, preferred_datacenter })
}
