//! Where things are kept when nothing is said.
//!
//! | what | root | anybody else |
//! |---|---|---|
//! | data of a server, `--data-dir` | `/var/lib/graphium` | `$XDG_STATE_HOME/graphium`, else `~/.local/state/graphium` |
//! | state of an agent, `--state-dir` | `{data}/agents/{id}` | the same |
//! | settings, `--config` | `/etc/graphium/graphium.toml` | `$XDG_CONFIG_HOME/graphium/graphium.toml`, else `~/.config/…` |

use std::env;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use graphium_core::id::AgentId;

use crate::exit::Failure;

const SYSTEM_DATA: &str = "/var/lib/graphium";
const SYSTEM_SETTINGS: &str = "/etc/graphium/graphium.toml";
const FOLDER: &str = "graphium";

/// The data folder: the one that was named, else the usual one.
pub(crate) fn data_dir(named: Option<PathBuf>) -> anyhow::Result<PathBuf> {
    named.or_else(usual_data_dir).ok_or_else(|| {
        Failure::usage("there is no home folder to keep data in").advice("name one with --data-dir").into()
    })
}

/// The state folder of an agent: each id has its own, so that several agents fit on one machine.
pub(crate) fn agent_state_dir(named: Option<PathBuf>, id: &AgentId) -> anyhow::Result<PathBuf> {
    match named {
        Some(named) => Ok(named),
        None => usual_data_dir().map(|data| data.join("agents").join(id.as_str())).ok_or_else(|| {
            Failure::usage("there is no home folder to keep the agent's key in")
                .advice("name one with --state-dir")
                .into()
        }),
    }
}

/// The usual place of the settings file.
pub(crate) fn settings_file() -> Option<PathBuf> {
    if is_root() {
        return Some(SYSTEM_SETTINGS.into());
    }
    base("XDG_CONFIG_HOME", ".config").map(|base| base.join(FOLDER).join("graphium.toml"))
}

fn usual_data_dir() -> Option<PathBuf> {
    if is_root() {
        return Some(SYSTEM_DATA.into());
    }
    base("XDG_STATE_HOME", ".local/state").map(|base| base.join(FOLDER))
}

/// A base folder as the XDG rules have it: an absolute path in the variable, else under the home folder.
fn base(variable: &str, under_home: &str) -> Option<PathBuf> {
    let set = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    set(variable).or_else(|| set("HOME").map(|home| home.join(under_home)))
}

/// Whether the process acts as root: then its own entry in `/proc` belongs to user 0.
fn is_root() -> bool {
    Path::new("/proc/self").metadata().is_ok_and(|entry| entry.uid() == 0)
}
