//! The settings file: the last of the three places that a setting may come from, after flags and
//! `GRAPHIUM_*` variables (both of which clap reads).

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::data_dir;
use crate::duration;
use crate::exit::Failure;
use crate::retention::Kept;

/// The one TOML file. Every key is optional; an unknown one is an error.
#[derive(Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Settings {
    /// Where a server keeps what must last.
    pub(crate) data_dir: Option<PathBuf>,
    /// How commands reach a server.
    pub(crate) client: ClientSettings,
    /// The server.
    pub(crate) server: ServerSettings,
    /// The agent.
    pub(crate) agent: AgentSettings,
}

/// `[client]`
#[derive(Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ClientSettings {
    pub(crate) server: Option<String>,
    #[serde(serialize_with = "masked")]
    pub(crate) token: Option<String>,
    pub(crate) token_file: Option<PathBuf>,
    pub(crate) ca_file: Option<PathBuf>,
}

/// `[server]`
#[derive(Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ServerSettings {
    pub(crate) listen: Option<std::net::SocketAddr>,
    /// May hold a password.
    #[serde(serialize_with = "masked")]
    pub(crate) database: Option<String>,
    pub(crate) tls_cert: Option<PathBuf>,
    pub(crate) tls_key: Option<PathBuf>,
    #[serde(deserialize_with = "span", serialize_with = "written")]
    pub(crate) lease: Option<Duration>,
    #[serde(deserialize_with = "span", serialize_with = "written")]
    pub(crate) down_after: Option<Duration>,
    pub(crate) keep_tasks: Option<Kept>,
    pub(crate) keep_attempts: Option<Kept>,
    pub(crate) keep_events: Option<Kept>,
}

/// `[agent]`
#[derive(Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct AgentSettings {
    pub(crate) id: Option<String>,
    pub(crate) server: Option<String>,
    #[serde(serialize_with = "masked")]
    pub(crate) join_token: Option<String>,
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) state_dir: Option<PathBuf>,
    pub(crate) docker_socket: Option<PathBuf>,
    pub(crate) concurrency: Option<usize>,
}

/// A duration as on the command line: `"30s"`, or a number of seconds.
fn span<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Seconds(u64),
        Text(String),
    }
    match Written::deserialize(deserializer)? {
        Written::Seconds(seconds) => Ok(Some(Duration::from_secs(seconds))),
        Written::Text(text) => duration::parse(&text).map(Some).map_err(serde::de::Error::custom),
    }
}

/// A duration as the file writes it.
fn written<S: Serializer>(span: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    match span {
        Some(span) if span.subsec_millis() > 0 => serializer.collect_str(&format_args!("{}ms", span.as_millis())),
        Some(span) => serializer.collect_str(&format_args!("{}s", span.as_secs())),
        None => serializer.serialize_none(),
    }
}

/// That there is a secret, and nothing of it.
fn masked<S: Serializer>(secret: &Option<String>, serializer: S) -> Result<S::Ok, S::Error> {
    secret.as_ref().map(|_| "********").serialize(serializer)
}

impl std::fmt::Debug for Settings {
    /// As the file writes them, so that no secret can slip into a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.to_toml().unwrap_or_default())
    }
}

impl Settings {
    /// As the file writes them, with secrets masked.
    pub(crate) fn to_toml(&self) -> Result<String, toml::ser::Error> {
        toml::to_string_pretty(self)
    }

    /// Reads the file that was named; without one, the file at its usual place if there is one.
    pub(crate) fn read(named: Option<&Path>) -> anyhow::Result<Self> {
        let usual = data_dir::settings_file();
        let Some(path) = named.or(usual.as_deref()) else { return Ok(Self::default()) };
        match std::fs::read_to_string(path) {
            Ok(text) => Ok(Self::parse(&text, path)?),
            Err(error) if error.kind() == ErrorKind::NotFound && named.is_none() => Ok(Self::default()),
            Err(error) => Err(Failure::usage(format!("cannot read the settings file {}: {error}", path.display()))
                .advice("name another one with --config, or none")
                .into()),
        }
    }

    fn parse(text: &str, path: &Path) -> Result<Self, Failure> {
        toml::from_str(text).map_err(|error| {
            let message = error.message().lines().next().unwrap_or("not TOML").to_owned();
            let line = error.span().map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1);
            let line = line.map(|line| format!(":{line}")).unwrap_or_default();
            Failure::usage(format!("the settings file {}{line} is not valid: {message}", path.display()))
                .advice("`graphium server --print-config` shows every key of a server")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Settings, Failure> {
        Settings::parse(text, Path::new("graphium.toml"))
    }

    #[test]
    fn every_key_may_be_absent() {
        assert!(parse("").unwrap() == Settings::default());
    }

    #[test]
    fn an_unknown_key_is_an_error_that_names_it_and_its_line() {
        let error = parse("[server]\nlisten = \"127.0.0.1:1\"\nlissen = 2\n").unwrap_err().to_string();
        assert!(error.contains("graphium.toml:3"), "{error}");
        assert!(error.contains("lissen"), "{error}");
    }

    #[test]
    fn a_duration_is_written_as_on_the_command_line() {
        let settings = parse("[server]\nlease = \"1m\"\ndown_after = 90\n").unwrap();
        assert_eq!(settings.server.lease, Some(Duration::from_secs(60)));
        assert_eq!(settings.server.down_after, Some(Duration::from_secs(90)));
    }

    #[test]
    fn how_long_things_are_kept_is_written_as_on_the_command_line() {
        let settings = parse("[server]\nkeep_tasks = \"7d\"\nkeep_events = \"forever\"\n").unwrap();
        assert_eq!((settings.server.keep_tasks, settings.server.keep_events), ("7d".parse().ok(), Some(Kept::Forever)));
        let error = parse("[server]\nkeep_tasks = \"a week\"\n").unwrap_err().to_string();
        assert!(error.contains("graphium.toml:2") && error.contains("forever"), "{error}");
    }

    #[test]
    fn what_is_printed_reads_back_and_shows_no_secret() {
        let text = "data_dir = \"/srv\"\n[client]\ntoken = \"s3cret\"\n[server]\nlease = \"1500ms\"\n";
        let printed = parse(text).unwrap().to_toml().unwrap();
        assert!(!printed.contains("s3cret"), "{printed}");
        let read = parse(&printed).unwrap();
        assert_eq!(read.server.lease, Some(Duration::from_millis(1500)));
        assert_eq!(read.data_dir, Some("/srv".into()));
        assert!(!format!("{:?}", parse(text).unwrap()).contains("s3cret"));
    }

    #[test]
    fn a_named_file_that_is_missing_is_an_error() {
        let error = Settings::read(Some(Path::new("/nonexistent/graphium.toml"))).unwrap_err();
        assert!(error.to_string().contains("/nonexistent/graphium.toml"), "{error}");
    }
}
