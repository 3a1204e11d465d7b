//! One container by itself.

use std::collections::BTreeMap;

use super::{MAX_CONTAINER_BYTES, Problems, RESERVED_LABEL_PREFIX, image};
use crate::id::MAX_NAME_LENGTH;
use crate::stack::{ContainerSpec, HealthProbe, MAX_REPLICAS, MountSource, MountSpec, ResourceLimits};

/// The longest explicit container name; engines and DNS take no more.
const MAX_ENGINE_NAME: usize = 255;
/// The longest that one thing about a container may take: as long as the longest task.
const MAX_SECONDS: u32 = 24 * 3600;
/// The most failures in a row that a health check may wait for.
const MAX_HEALTH_RETRIES: u32 = 1000;

pub(super) fn check(container: &ContainerSpec, path: &str, problems: &mut Problems) {
    let name = &container.name;
    problems.check(format!("{path}.image"), image::check(&container.image));
    if container.replicas > MAX_REPLICAS {
        let message = format!("{} replicas are too many: at most {MAX_REPLICAS}", container.replicas);
        problems.add(format!("{path}.replicas"), message);
    }
    if let Some(engine_name) = &container.container_name {
        if container.replicas > 1 {
            let message =
                format!("{name} has {} replicas, but only one can be named {engine_name}", container.replicas);
            problems.add(format!("{path}.containerName"), message);
        }
        let message =
            "an engine name has 2 to 255 letters, digits, '_', '.' and '-', and begins with a letter or digit";
        if engine_name.len() < 2 || !is_plain(engine_name, MAX_ENGINE_NAME) {
            problems.add(format!("{path}.containerName"), message);
        }
    }
    if let Some(folder) = container.working_dir.as_ref().filter(|folder| !folder.starts_with('/')) {
        problems.add(format!("{path}.workingDir"), format!("{folder:?} is not an absolute path"));
    }
    let periods = [("stopTimeout", container.stop_timeout), ("minUptimeSeconds", container.min_uptime_seconds)];
    check_periods(&periods, path, problems);
    labels(&container.labels, &format!("{path}.labels"), problems);
    environment(&container.env, path, problems);
    mounts(&container.mounts, path, problems);
    health(container, path, problems);
    resources(container, path, problems);
    let bytes = serde_json::to_vec(container).map_or(0, |json| json.len());
    if bytes > MAX_CONTAINER_BYTES {
        problems.add(path, format!("container {name} has {bytes} bytes as JSON: at most {MAX_CONTAINER_BYTES}"));
    }
}

fn check_periods(periods: &[(&str, u32)], path: &str, problems: &mut Problems) {
    for (field, seconds) in periods {
        if *seconds > MAX_SECONDS {
            problems.add(format!("{path}.{field}"), format!("{seconds} s are too long: at most {MAX_SECONDS}"));
        }
    }
}

pub(super) fn is_plain(text: &str, longest: usize) -> bool {
    text.len() <= longest
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c))
}

pub(super) fn labels(labels: &BTreeMap<String, String>, path: &str, problems: &mut Problems) {
    for key in labels.keys() {
        if key.starts_with(RESERVED_LABEL_PREFIX) {
            let message = format!("label {key}: labels that begin with {RESERVED_LABEL_PREFIX} are Graphium's own");
            problems.add(format!("{path}.{key}"), message);
        }
        if key.is_empty() {
            problems.add(path, "a label has no name");
        }
    }
}

fn environment(env: &BTreeMap<String, String>, path: &str, problems: &mut Problems) {
    for (key, value) in env {
        if key.is_empty() || key.contains(['=', '\0']) {
            problems.add(format!("{path}.env"), format!("{key:?} is no name of a variable: no '=', and not empty"));
        }
        if value.contains('\0') {
            problems.add(format!("{path}.env.{key}"), format!("variable {key} holds a NUL, which no process can get"));
        }
    }
}

fn mounts(mounts: &[MountSpec], path: &str, problems: &mut Problems) {
    let mut targets = BTreeMap::new();
    for (index, mount) in mounts.iter().enumerate() {
        let here = format!("{path}.mounts[{index}]");
        if !mount.target.starts_with('/') || mount.target == "/" {
            let message = format!("{:?} is no place to mount at: write an absolute path below /", mount.target);
            problems.add(format!("{here}.target"), message);
        }
        if let Some(first) = targets.insert(mount.target.trim_end_matches('/'), index) {
            problems.add(&here, format!("mounts[{first}] is at {} too", mount.target));
        }
        match &mount.source {
            MountSource::Bind { path } if !path.starts_with('/') => {
                problems.add(&here, format!("{path:?} is not an absolute path on the host"));
            }
            MountSource::Volume { name, external, .. } => {
                let longest = if *external { MAX_ENGINE_NAME } else { MAX_NAME_LENGTH };
                if !is_plain(name, longest) {
                    let rule = "it begins with a letter or digit and holds letters, digits, '_', '.' and '-'";
                    problems.add(&here, format!("volume name {name:?} is not valid: {rule}, at most {longest}"));
                }
            }
            MountSource::Bind { .. } | MountSource::Tmpfs => {}
        }
    }
}

fn health(container: &ContainerSpec, path: &str, problems: &mut Problems) {
    let Some(check) = &container.health_check else { return };
    let here = format!("{path}.healthCheck");
    for (field, value) in [("interval", check.interval), ("timeout", check.timeout), ("retries", check.retries)] {
        if value == 0 {
            problems.add(&here, format!("{field} is 0: it is 1 or more"));
        }
    }
    let periods = [("interval", check.interval), ("timeout", check.timeout), ("startPeriod", check.start_period)];
    check_periods(&periods, &here, problems);
    if check.retries > MAX_HEALTH_RETRIES {
        let message = format!("{} retries are too many: at most {MAX_HEALTH_RETRIES}", check.retries);
        problems.add(format!("{here}.retries"), message);
    }
    let problem = match &check.probe {
        HealthProbe::Exec { command } => match command.first().map(String::as_str) {
            Some("CMD") if command.len() > 1 => None,
            Some("CMD-SHELL") if command.len() == 2 => None,
            _ => Some("the command is [\"CMD\", program, arguments …] or [\"CMD-SHELL\", line]"),
        },
        HealthProbe::Http { path, .. } if !path.starts_with('/') => Some("the path begins with /"),
        HealthProbe::Http { port, .. } | HealthProbe::Tcp { port } | HealthProbe::Grpc { port, .. } => {
            (*port == 0).then_some("the port is 1 to 65535")
        }
    };
    if let Some(problem) = problem {
        problems.add(&here, problem);
    }
}

fn resources(container: &ContainerSpec, path: &str, problems: &mut Problems) {
    let here = format!("{path}.resources");
    let (limits, reserved) = (&container.resources.limits, &container.resources.reservations);
    let zero = |amounts: &ResourceLimits| amounts.cpu_millis == Some(0) || amounts.memory_bytes == Some(0);
    if zero(limits) || zero(reserved) {
        problems.add(&here, "an amount of 0 is no amount: leave it out for no limit");
    }
    let exceeds = |reserved: Option<u64>, limit: Option<u64>| matches!((reserved, limit), (Some(r), Some(l)) if r > l);
    if exceeds(reserved.cpu_millis, limits.cpu_millis) || exceeds(reserved.memory_bytes, limits.memory_bytes) {
        problems.add(&here, "more is reserved than the limit allows");
    }
}
