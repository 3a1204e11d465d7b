//! Volumes, host folders and memory file systems.

use super::reader::{Cursor, Report};
use super::scalar::{boolean, choice, text};
use crate::stack::document::Value;
use crate::stack::{MountSource, MountSpec};

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Volume,
    Bind,
    Tmpfs,
}

pub(super) fn read(at: &Cursor<'_>, report: &mut Report<'_>) -> Option<MountSpec> {
    if let Value::Text(short) = &at.node.value {
        return match from_text(short) {
            Ok(mount) => Some(mount),
            Err(message) => {
                report.problem(at, message);
                None
            }
        };
    }
    let mut object = at.object("a mount: an object with `mountPath`, or \"name:/path\"", report)?;
    let kinds = [("volume", Kind::Volume), ("bind", Kind::Bind), ("tmpfs", Kind::Tmpfs)];
    let kind = object.take("type").map(|at| choice(&at, &kinds, report));
    let target = object.take("mountPath");
    let name = object.take("name").and_then(|at| text(&at, report));
    let host_path = object.take("hostPath").and_then(|at| text(&at, report));
    let driver = object.take("driver").and_then(|at| text(&at, report));
    let external = object.take("external").and_then(|at| boolean(&at, report)).unwrap_or(false);
    let read_only = object.take("readOnly").and_then(|at| boolean(&at, report)).unwrap_or(false);
    object.finish(report);

    let found = match (name, host_path) {
        (_, Some(path)) => Some((Kind::Bind, MountSource::Bind { path })),
        (Some(name), None) => Some((Kind::Volume, MountSource::Volume { name, driver: driver.clone(), external })),
        (None, None) => (kind == Some(Some(Kind::Tmpfs))).then_some((Kind::Tmpfs, MountSource::Tmpfs)),
    };
    let Some((found_kind, source)) = found else {
        report.problem(at, "a mount has a `name` (a volume), a `hostPath` (a folder of the host) or `type: tmpfs`");
        return None;
    };
    if kind.flatten().is_some_and(|kind| kind != found_kind) {
        report.problem(at, "`type` contradicts the rest: volume has `name`, bind has `hostPath`, tmpfs neither");
    }
    if found_kind != Kind::Volume && (driver.is_some() || external) {
        report.problem(at, "`driver` and `external` are for volumes alone");
    }
    let Some(target) = target else {
        report.problem(at, "`mountPath` is missing: where it is in the container");
        return None;
    };
    Some(MountSpec { source, target: text(&target, report)?, read_only })
}

/// `name:/path`, `/host/path:/path`, each with `:ro` or `:rw`.
fn from_text(short: &str) -> Result<MountSpec, String> {
    let parts: Vec<_> = short.split(':').collect();
    let (source, target, mode) = match parts[..] {
        [source, target] => (source, target, "rw"),
        [source, target, mode] => (source, target, mode),
        _ => return Err(format!("mount {short:?} is not name:/path or /host/path:/path, with :ro where wanted")),
    };
    let read_only = match mode {
        "ro" => true,
        "rw" => false,
        other => return Err(format!("mount option {other:?} is not supported: it is ro or rw")),
    };
    let source = if source.starts_with('/') {
        MountSource::Bind { path: source.to_owned() }
    } else if source.starts_with(['.', '~']) {
        return Err(format!("{source:?} is relative to a folder that the hosts do not have: write an absolute path"));
    } else {
        MountSource::Volume { name: source.to_owned(), driver: None, external: false }
    };
    Ok(MountSpec { source, target: target.to_owned(), read_only })
}
