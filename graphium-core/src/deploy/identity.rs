//! Whose objects these are, and what they are called on an engine.

use sha2::{Digest, Sha256};

use crate::id::{AgentId, ContainerName, Generation, InstallationId, Slot, StackName};

/// The owner of objects on an engine: one host of one installation. Several may share an engine.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HostIdentity {
    /// The installation.
    pub installation: InstallationId,
    /// The host.
    pub host: AgentId,
}

impl HostIdentity {
    /// Six hex digits of the SHA-256 of installation and host: what keeps the names of two owners apart.
    #[must_use]
    pub fn suffix(&self) -> String {
        let digest = Sha256::digest(format!("{}/{}", self.installation, self.host));
        hex::encode(&digest[..3])
    }

    /// The name of an instance on the engine: `{stack}_{container}_{slot}_{suffix}`, with the generation
    /// before the suffix where it must live beside its predecessor.
    #[must_use]
    pub fn instance_name(
        &self,
        stack: Option<&StackName>,
        container: &ContainerName,
        slot: Slot,
        beside: Option<Generation>,
    ) -> String {
        let stack = stack.map_or("-", StackName::as_str);
        let beside = beside.map(|generation| format!("_g{generation}")).unwrap_or_default();
        engine_name(stack, &format!("{container}_{slot}{beside}"), &self.suffix())
    }

    /// The name of a stack's network or volume on the engine: `{stack}_{name}_{suffix}`.
    #[must_use]
    pub fn object_name(&self, stack: Option<&StackName>, name: &str) -> String {
        engine_name(stack.map_or("-", StackName::as_str), name, &self.suffix())
    }
}

/// `{stack}_{name}_{suffix}`; an object of no stack has `x` in its place, since engine names begin with a letter or digit.
#[must_use]
pub fn engine_name(stack: &str, name: &str, suffix: &str) -> String {
    let stack = if stack == "-" { "x" } else { stack };
    format!("{stack}_{name}_{suffix}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(host: &str) -> HostIdentity {
        HostIdentity { installation: InstallationId::from_uuid(uuid::Uuid::nil()), host: AgentId::new(host).unwrap() }
    }

    #[test]
    fn two_hosts_of_one_installation_never_meet_in_a_name() {
        let (stack, web) = (StackName::new("shop").unwrap(), ContainerName::new("web").unwrap());
        let name = |host| owner(host).instance_name(Some(&stack), &web, Slot(0), None);
        assert!(name("vm1").starts_with("shop_web_0_"), "{}", name("vm1"));
        assert_ne!(name("vm1"), name("vm2"));
    }
}
