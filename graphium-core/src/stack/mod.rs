//! Stacks: what is wanted ([`StackSpec`]), what was decided ([`Deployment`]) and what is there ([`Instance`]).
//!
//! Kept apart on purpose: a wish is never shown as an observation.

mod container;
mod deployment;
mod hash;
mod instance;
mod network;
mod spec;
mod status;

pub use container::{
    ContainerSpec, Dependency, DependencyCondition, HealthCheck, HealthProbe, MAX_REPLICAS, MountSource, MountSpec,
    PortSpec, Protocol, PullPolicy, ResourceLimits, ResourceRequirements, Resources, RestartPolicy,
    UnknownRestartPolicy,
};
pub use deployment::{Deployment, DeploymentAction, DeploymentStatus, Stack, Step, StepAction};
pub use hash::{SPEC_HASH_VERSION, spec_hash};
pub use instance::{Capacity, EngineInfo, Health, HostState, Instance, InstanceState, PublishedPort};
pub use network::NetworkSpec;
pub use spec::{MAX_CONTAINERS, PlacementStrategy, StackSpec};
pub use status::StackStatus;
