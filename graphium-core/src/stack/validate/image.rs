//! Image references: `[registry[:port]/]path[:tag][@digest]`.

const MAX_LENGTH: usize = 512;
const MAX_TAG_LENGTH: usize = 128;

/// Checks the form of a reference.
pub(super) fn check(reference: &str) -> Result<(), String> {
    let refuse = |rule: &str| Err(format!("image {reference:?} is not valid: {rule}"));
    if reference.is_empty() {
        return Err("the image is empty: write one such as nginx:alpine".into());
    }
    if reference.len() > MAX_LENGTH {
        return Err(format!("the image reference has {} bytes: at most {MAX_LENGTH}", reference.len()));
    }
    let (named, digest) = match reference.split_once('@') {
        Some((named, digest)) => (named, Some(digest)),
        None => (reference, None),
    };
    if digest.is_some_and(|digest| !is_digest(digest)) {
        return refuse("a digest is an algorithm, ':' and hex digits");
    }
    let last_slash = named.rfind('/').map_or(0, |at| at + 1);
    let (repository, tag) = match named[last_slash..].split_once(':') {
        Some((name, tag)) => (&named[..last_slash + name.len()], Some(tag)),
        None => (named, None),
    };
    if tag.is_some_and(|tag| !is_tag(tag)) {
        return refuse("a tag has 1 to 128 letters, digits, '_', '.' and '-'");
    }
    let mut parts = repository.split('/').peekable();
    if let Some(first) = parts.peek()
        && repository.contains('/')
        && (first.contains(['.', ':']) || *first == "localhost" || first.chars().any(|c| c.is_ascii_uppercase()))
    {
        if !is_registry(first) {
            return refuse("the registry is a host name with an optional port");
        }
        parts.next();
    }
    if parts.all(is_path_part) {
        return Ok(());
    }
    if repository.chars().any(|c| c.is_ascii_uppercase()) {
        return refuse("the repository's name is in lower case");
    }
    refuse("the name holds lower-case letters, digits and single '.', '_', '-' or '/' between them")
}

fn is_digest(digest: &str) -> bool {
    digest.split_once(':').is_some_and(|(algorithm, hex)| {
        let plain = algorithm.chars().all(|c| c.is_ascii_alphanumeric() || "+._-".contains(c));
        !algorithm.is_empty() && plain && hex.len() >= 32 && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

fn is_tag(tag: &str) -> bool {
    let begins = tag.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    begins && tag.len() <= MAX_TAG_LENGTH && tag.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c))
}

fn is_registry(host: &str) -> bool {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !host.ends_with(']') => (name, port.parse::<u16>().is_ok()),
        _ => (host, true),
    };
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    let named = match address {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || ".-".contains(c)),
    };
    port && named
}

fn is_path_part(part: &str) -> bool {
    let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    part.starts_with(edge) && part.ends_with(edge) && part.chars().all(|c| edge(c) || "._-".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_references_are_accepted() {
        let digest = format!("nginx@sha256:{}", "a1".repeat(32));
        for reference in [
            "nginx",
            "nginx:alpine",
            "postgres:15-alpine",
            "my-registry/auth-service:latest",
            "localhost:5000/a/b:1",
            "ghcr.io/owner/app_x:v1.2",
            "[::1]:5000/a",
            "REGISTRY.example/a",
            &digest,
        ] {
            assert_eq!(check(reference), Ok(()), "{reference}");
        }
    }

    #[test]
    fn broken_references_are_refused_by_name() {
        for reference in
            ["", " ", "nginx:", "Nginx", "nginx: alpine", "a//b", "/a", "a/", "-a", "a@sha256:xyz", "a:b:c", "nginx@"]
        {
            assert!(check(reference).is_err(), "{reference:?}");
        }
        assert!(check("My/App").unwrap_err().contains("\"My/App\""));
        assert!(check(&"a".repeat(MAX_LENGTH + 1)).is_err());
        assert!(check(&"a".repeat(MAX_LENGTH)).is_ok());
    }
}
