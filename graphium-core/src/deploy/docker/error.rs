//! The engine's errors by what a caller can do about them. Engines tell by status and by text, so the texts are
//! known here, and each of them by a test.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a sort of error that is not known here is internal, now and later"
)]

use std::error::Error as _;
use std::fmt;
use std::time::Duration;

use bollard::errors::Error;

use crate::deploy::{DeployError, DeployErrorKind};

/// What the engine was asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doing {
    Asking,
    Pulling,
    Importing,
    RemovingImage,
    CreatingContainer,
    StartingContainer,
    StoppingContainer,
    RemovingContainer,
    ChangingContainer,
    RenamingContainer,
    ReadingLogs,
    CreatingNetwork,
    RemovingNetwork,
    CreatingVolume,
    RemovingVolume,
}

impl fmt::Display for Doing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Asking => "asking the engine for",
            Self::Pulling => "pulling image",
            Self::Importing => "importing image",
            Self::RemovingImage => "removing image",
            Self::CreatingContainer => "creating container",
            Self::StartingContainer => "starting container",
            Self::StoppingContainer => "stopping container",
            Self::RemovingContainer => "removing container",
            Self::ChangingContainer => "changing container",
            Self::RenamingContainer => "renaming container",
            Self::ReadingLogs => "reading the output of container",
            Self::CreatingNetwork => "creating network",
            Self::RemovingNetwork => "removing network",
            Self::CreatingVolume => "creating volume",
            Self::RemovingVolume => "removing volume",
        })
    }
}

/// An error of the client library as one of ours.
pub(super) fn fault(doing: Doing, object: &str, error: Error) -> DeployError {
    let kind = match &error {
        Error::DockerResponseServerError { status_code, message } => classify(doing, Some(*status_code), message),
        Error::DockerStreamError { error } => classify(doing, None, error),
        Error::RequestTimeoutError
        | Error::IOError { .. }
        | Error::HyperResponseError { .. }
        | Error::HyperLegacyError { .. }
        | Error::SocketNotFoundError(_) => DeployErrorKind::Unavailable,
        _ => DeployErrorKind::Internal,
    };
    let mut told = DeployError::new(kind, format!("{doing} {object}: {}", words(&error)));
    if let Some(advice) = advice(kind) {
        told = told.noting(advice);
    }
    told.caused_by(error)
}

/// The engine did not answer in time.
pub(super) fn silent(doing: Doing, object: &str, patience: Duration) -> DeployError {
    let message = format!("{doing} {object}: the engine did not answer within {} s", patience.as_secs());
    DeployError::new(DeployErrorKind::Unavailable, message)
}

/// The status of an engine's refusal.
pub(super) const fn status(error: &Error) -> Option<u16> {
    match error {
        Error::DockerResponseServerError { status_code, .. } => Some(*status_code),
        _ => None,
    }
}

/// What the engine said, without the client library's frame.
fn words(error: &Error) -> String {
    match error {
        Error::DockerResponseServerError { message, .. } => message.trim().to_owned(),
        Error::DockerStreamError { error } => error.trim().to_owned(),
        other => chain(other),
    }
}

/// An error with everything that caused it.
pub(super) fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text.push_str(": ");
            text.push_str(&inner_text);
        }
        cause = inner.source();
    }
    text
}

fn advice(kind: DeployErrorKind) -> Option<&'static str> {
    match kind {
        DeployErrorKind::ImageNotFound => Some("check the name and the tag, and whether its registry wants a login"),
        DeployErrorKind::RegistryAuth => Some("log in to the registry on this host with `docker login`"),
        DeployErrorKind::Exhausted => Some("make room on the host, with `docker system df` to see what takes it"),
        DeployErrorKind::Unavailable => Some("see whether the engine runs"),
        _ => None,
    }
}

/// The kind of a refusal by its status and text.
pub(super) fn classify(doing: Doing, status: Option<u16>, text: &str) -> DeployErrorKind {
    let text = text.to_ascii_lowercase();
    let says = |any: &[&str]| any.iter().any(|part| text.contains(part));
    if says(&[
        "no space left on device",
        "address pools have been fully subnetted",
        "non-overlapping ipv4 address pool",
    ]) {
        return DeployErrorKind::Exhausted;
    }
    match doing {
        Doing::Pulling => pull_kind(status, &says),
        Doing::StartingContainer if says(&["port is already allocated", "address already in use"]) => {
            DeployErrorKind::PortConflict
        }
        Doing::StartingContainer | Doing::CreatingContainer if says(&["no such image"]) => {
            DeployErrorKind::ImageNotFound
        }
        Doing::StartingContainer
            if says(&["executable file not found", "no such file or directory", "permission denied"]) =>
        {
            DeployErrorKind::Invalid
        }
        Doing::CreatingNetwork if says(&["pool overlaps", "overlapping ipv4"]) => DeployErrorKind::AddressConflict,
        Doing::RemovingNetwork if says(&["active endpoints"]) => DeployErrorKind::InUse,
        Doing::RemovingVolume | Doing::RemovingImage | Doing::RemovingContainer if status == Some(409) => {
            DeployErrorKind::InUse
        }
        _ => match status {
            Some(400 | 422) => DeployErrorKind::Invalid,
            Some(404) => DeployErrorKind::NotFound,
            Some(409) => DeployErrorKind::NameConflict,
            Some(501) => DeployErrorKind::Unsupported,
            Some(503) => DeployErrorKind::Unavailable,
            Some(_) | None => DeployErrorKind::Internal,
        },
    }
}

/// Why a pull failed. The order matters: a registry's refusal is wrapped in the engine's words about it.
fn pull_kind(status: Option<u16>, says: &dyn Fn(&[&str]) -> bool) -> DeployErrorKind {
    if says(&["toomanyrequests", "too many requests", "pull rate limit"]) {
        return DeployErrorKind::RateLimited;
    }
    if says(&["invalid reference format", "must be lowercase", "invalid tag", "invalid checksum digest"]) {
        return DeployErrorKind::Invalid;
    }
    // Docker Hub's words for a repository that does not exist: it does not tell whether that is for want of a login.
    // A name without such a registry at all is answered for good too: the resolver says that there is no such host.
    if says(&[
        "manifest unknown",
        "repository does not exist",
        "name unknown",
        "not found",
        "no matching manifest",
        "does not match the specified platform",
        "no such host",
    ]) {
        return DeployErrorKind::ImageNotFound;
    }
    if says(&["unauthorized", "authentication required", "no basic auth", "denied", "forbidden", "incorrect username"])
    {
        return DeployErrorKind::RegistryAuth;
    }
    if says(&[
        "connection refused",
        "connection reset",
        "no route to host",
        "network is unreachable",
        "timeout",
        "deadline exceeded",
        "temporary failure",
        "server misbehaving",
        "x509",
        "tls",
        "gave http response to https",
        "eof",
        "unexpected status",
        "received unexpected http status",
        "request canceled",
    ]) {
        return DeployErrorKind::RegistryUnreachable;
    }
    match status {
        Some(400) => DeployErrorKind::Invalid,
        Some(404) => DeployErrorKind::ImageNotFound,
        Some(401 | 403) => DeployErrorKind::RegistryAuth,
        Some(_) | None => DeployErrorKind::RegistryUnreachable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use DeployErrorKind as Kind;

    /// Texts as engines from 20.10 to 29 give them.
    const TEXTS: &[(Doing, u16, &str, Kind)] = &[
        (Doing::CreatingContainer, 404, "No such image: web:1", Kind::ImageNotFound),
        (
            Doing::CreatingContainer,
            409,
            "Conflict. The container name \"/web\" is already in use by container \"4c01db0b339c\". You have to remove \
             (or rename) that container to be able to reuse that name.",
            Kind::NameConflict,
        ),
        (
            Doing::CreatingContainer,
            400,
            "invalid mount config for type \"bind\": bind source path does not exist: /nope",
            Kind::Invalid,
        ),
        (Doing::CreatingContainer, 400, "Minimum memory limit allowed is 6MB", Kind::Invalid),
        (
            Doing::StartingContainer,
            500,
            "driver failed programming external connectivity on endpoint web (8a1): Bind for 0.0.0.0:8080 failed: \
             port is already allocated",
            Kind::PortConflict,
        ),
        (
            Doing::StartingContainer,
            500,
            "driver failed programming external connectivity on endpoint web (8a1): Error starting userland proxy: \
             listen tcp4 0.0.0.0:8080: bind: address already in use",
            Kind::PortConflict,
        ),
        (
            Doing::StartingContainer,
            500,
            "failed to set up container networking: driver failed programming external connectivity on endpoint web: \
             failed to bind host port 0.0.0.0:8080/tcp: address already in use",
            Kind::PortConflict,
        ),
        (Doing::StartingContainer, 404, "network shop_net_ab12cd not found", Kind::NotFound),
        (
            Doing::StartingContainer,
            400,
            "OCI runtime create failed: container_linux.go:380: starting container process caused: exec: \"nope\": \
             executable file not found in $PATH: unknown",
            Kind::Invalid,
        ),
        (Doing::CreatingNetwork, 403, "Pool overlaps with other one on this address space", Kind::AddressConflict),
        (
            Doing::CreatingNetwork,
            403,
            "cannot create network 5cb (br-5cb): conflicts with network 0b8 (br-0b8): networks have overlapping IPv4",
            Kind::AddressConflict,
        ),
        (Doing::CreatingNetwork, 409, "network with name shop_net already exists", Kind::NameConflict),
        (
            Doing::CreatingNetwork,
            500,
            "could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the network",
            Kind::Exhausted,
        ),
        (Doing::CreatingNetwork, 400, "all predefined address pools have been fully subnetted", Kind::Exhausted),
        (
            Doing::RemovingNetwork,
            403,
            "error while removing network: network shop_net id 3f1 has active endpoints",
            Kind::InUse,
        ),
        (Doing::RemovingVolume, 409, "remove data: volume is in use - [7d1]", Kind::InUse),
        (Doing::CreatingContainer, 500, "mkdir /var/lib/docker/overlay2/x: no space left on device", Kind::Exhausted),
        (Doing::Asking, 500, "something else", Kind::Internal),
    ];

    /// What pulls fail with, in the engine's stream or as its answer.
    const PULLS: &[(&str, Kind)] = &[
        ("manifest for nginx:nope not found: manifest unknown: manifest unknown", Kind::ImageNotFound),
        (
            "pull access denied for nosuch, repository does not exist or may require 'docker login': denied: requested \
             access to the resource is denied",
            Kind::ImageNotFound,
        ),
        ("no matching manifest for linux/arm64/v8 in the manifest list entries", Kind::ImageNotFound),
        (
            "Get \"https://registry-1.docker.io/v2/\": dial tcp: lookup registry-1.docker.io on 10.0.0.2:53: no such host",
            Kind::ImageNotFound,
        ),
        (
            "repository localhost:5000/x not found: name unknown: repository name not known to registry",
            Kind::ImageNotFound,
        ),
        ("Head \"https://ghcr.io/v2/x/y/manifests/1\": denied: denied", Kind::RegistryAuth),
        ("Get \"https://reg.example.com/v2/\": unauthorized: authentication required", Kind::RegistryAuth),
        ("Head \"http://localhost:5000/v2/x/manifests/1\": no basic auth credentials", Kind::RegistryAuth),
        (
            "toomanyrequests: You have reached your pull rate limit. You may increase the limit by authenticating and \
             upgrading: https://www.docker.com/increase-rate-limit",
            Kind::RateLimited,
        ),
        (
            "Get \"http://localhost:1/v2/\": dial tcp 127.0.0.1:1: connect: connection refused",
            Kind::RegistryUnreachable,
        ),
        (
            "Get \"https://reg.example.com/v2/\": x509: certificate signed by unknown authority",
            Kind::RegistryUnreachable,
        ),
        (
            "Get \"https://10.0.0.9:5000/v2/\": http: server gave HTTP response to HTTPS client",
            Kind::RegistryUnreachable,
        ),
        (
            "Get \"https://registry-1.docker.io/v2/\": net/http: request canceled while waiting for connection \
             (Client.Timeout exceeded while awaiting headers)",
            Kind::RegistryUnreachable,
        ),
        (
            "Get \"https://reg.example.com/v2/\": dial tcp: lookup reg.example.com: server misbehaving",
            Kind::RegistryUnreachable,
        ),
        ("received unexpected HTTP status: 502 Bad Gateway", Kind::RegistryUnreachable),
        ("invalid reference format", Kind::Invalid),
        ("invalid reference format: repository name must be lowercase", Kind::Invalid),
        ("write /var/lib/docker/tmp/GetImageBlob1: no space left on device", Kind::Exhausted),
    ];

    #[test]
    fn every_known_refusal_of_an_engine_has_its_kind() {
        for (doing, status, text, kind) in TEXTS {
            assert_eq!(classify(*doing, Some(*status), text), *kind, "{doing}: {text}");
        }
    }

    #[test]
    fn every_known_failure_of_a_pull_has_its_kind_in_the_stream_and_as_an_answer() {
        for (text, kind) in PULLS {
            assert_eq!(classify(Doing::Pulling, None, text), *kind, "{text}");
            assert_eq!(classify(Doing::Pulling, Some(500), text), *kind, "{text}");
        }
    }

    #[test]
    fn an_error_names_the_object_says_what_the_engine_said_and_what_to_do() {
        let error = Error::DockerResponseServerError { status_code: 404, message: "No such image: web:1".into() };
        let told = fault(Doing::CreatingContainer, "shop_web_0", error);
        let text = told.to_string();
        assert!(text.starts_with("creating container shop_web_0: No such image: web:1; check the name"), "{text}");
    }

    #[test]
    fn a_cut_connection_is_an_engine_that_is_not_available() {
        let error = Error::IOError { err: std::io::ErrorKind::ConnectionReset.into() };
        assert_eq!(fault(Doing::Asking, "x", error).kind(), Kind::Unavailable);
    }
}
