//! Health checks.

use super::reader::{Cursor, Object, Report};
use super::scalar::{choice, number, seconds, text, words};
use crate::stack::document::Value;
use crate::stack::{HealthCheck, HealthProbe};

#[derive(Clone, Copy)]
enum Kind {
    Exec,
    Http,
    Tcp,
    Grpc,
}

/// The default times of a check.
const DEFAULT_SECONDS: u32 = 30;
const DEFAULT_RETRIES: u32 = 3;

pub(super) fn read(at: &Cursor<'_>, report: &mut Report<'_>) -> Option<HealthCheck> {
    let mut object = at.object("a health check, an object", report)?;
    let kinds = [("exec", Kind::Exec), ("http", Kind::Http), ("tcp", Kind::Tcp), ("grpc", Kind::Grpc)];
    let kind = object.take("type").map(|at| choice(&at, &kinds, report));
    let command = object.take_any(&["command", "test"], report);
    let interval = object.take("interval").and_then(|at| seconds(&at, report));
    let timeout = object.take("timeout").and_then(|at| seconds(&at, report));
    let retries = object.take("retries").and_then(|at| number(&at, 1, u32::MAX, report));
    let start_period = object.take("startPeriod").and_then(|at| seconds(&at, report));
    let probe = match (kind, command) {
        (None | Some(Some(Kind::Exec)), Some(command)) => exec(&command, report),
        (None, None) => {
            report.problem(at, "a health check has a `command`, or a `type`: exec, http, tcp, grpc");
            None
        }
        (Some(Some(Kind::Exec)), None) => {
            report.problem(at, "`command` is missing: what an exec check runs");
            None
        }
        (Some(Some(_)), Some(command)) => {
            report.problem(&command, "`command` is for a check of type exec");
            None
        }
        (Some(Some(kind)), None) => network(kind, at, &mut object, report),
        (Some(None), _) => return None,
    };
    object.finish(report);
    Some(HealthCheck {
        probe: probe?,
        interval: interval.unwrap_or(DEFAULT_SECONDS),
        timeout: timeout.unwrap_or(DEFAULT_SECONDS),
        retries: retries.unwrap_or(DEFAULT_RETRIES),
        start_period: start_period.unwrap_or(0),
    })
}

/// A text is for the shell, a list without `CMD` is run as it is.
fn exec(at: &Cursor<'_>, report: &mut Report<'_>) -> Option<HealthProbe> {
    let mut command = match &at.node.value {
        Value::Text(shell) => vec!["CMD-SHELL".to_owned(), shell.clone()],
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::List(_) | Value::Object(_) => words(at, report),
    };
    match command.first().map(String::as_str) {
        Some("CMD" | "CMD-SHELL") => {}
        Some("NONE") => {
            report.problem(at, "NONE is not supported: leave the health check out to keep the image's own");
            return None;
        }
        Some(_) => command.insert(0, "CMD".into()),
        None => {
            report.problem(at, "the command is empty");
            return None;
        }
    }
    Some(HealthProbe::Exec { command })
}

fn network(kind: Kind, at: &Cursor<'_>, object: &mut Object<'_>, report: &mut Report<'_>) -> Option<HealthProbe> {
    let port = object.take("port");
    let probe = |port: u16, object: &mut Object<'_>, report: &mut Report<'_>| match kind {
        Kind::Http => {
            let path = object.take("path").and_then(|at| text(&at, report)).unwrap_or_else(|| "/".into());
            HealthProbe::Http { port, path }
        }
        Kind::Grpc => {
            let service = object.take("service").and_then(|at| text(&at, report)).unwrap_or_default();
            HealthProbe::Grpc { port, service }
        }
        Kind::Tcp | Kind::Exec => HealthProbe::Tcp { port },
    };
    let number = port.as_ref().and_then(|port| number(port, 1, u16::MAX, report));
    if port.is_none() {
        report.problem(at, "`port` is missing: the container's port that is tried");
    }
    let found = probe(number.unwrap_or(1), object, report);
    number.map(|_| found)
}
