//! The network of a stack on each of its hosts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A network as wanted. Without `external` it is the stack's own, made on each host that needs it and
/// removed with the stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NetworkSpec {
    /// Its name within the stack; verbatim on the engine only when it is external.
    pub name: String,
    /// The network driver.
    #[serde(default = "bridge")]
    pub driver: String,
    /// Make it where it is missing.
    #[serde(default = "yes")]
    pub create_if_not_exists: bool,
    /// Made by somebody else: never created or removed.
    #[serde(default)]
    pub external: bool,
    /// Its address range, as CIDR. Left out, with a warning, where it overlaps another network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subnet: Option<String>,
    /// The gateway's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<String>,
    /// The part of the subnet from which containers get addresses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip_range: Option<String>,
    /// Options of the driver.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, String>,
    /// Labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

fn bridge() -> String {
    "bridge".into()
}

const fn yes() -> bool {
    true
}

impl NetworkSpec {
    /// A bridge of this name with every default.
    #[must_use]
    pub fn bridge(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            driver: bridge(),
            create_if_not_exists: true,
            external: false,
            subnet: None,
            gateway: None,
            ip_range: None,
            options: BTreeMap::new(),
            labels: BTreeMap::new(),
        }
    }
}
