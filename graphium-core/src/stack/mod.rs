//! Stacks: what is wanted ([`StackSpec`]), what was decided ([`Deployment`]) and what is there ([`Instance`]).
//!
//! Kept apart on purpose: a wish is never shown as an observation.

mod container;
mod deployment;
mod document;
mod hash;
mod host_ports;
mod instance;
pub mod interpolate;
pub mod jsonld;
mod network;
mod problem;
mod quantity;
mod spec;
mod status;
mod validate;

pub use container::{
    ContainerSpec, Dependency, DependencyCondition, HealthCheck, HealthProbe, MAX_REPLICAS, MountSource, MountSpec,
    PortSpec, Protocol, PullPolicy, ResourceLimits, ResourceRequirements, Resources, RestartPolicy,
    UnknownRestartPolicy,
};
pub use deployment::{Deployment, DeploymentAction, DeploymentStatus, Stack, Step, StepAction};
pub use document::{MAX_DEFINITION_BYTES, MAX_DEFINITION_DEPTH, MAX_DEFINITION_VALUES};
pub use hash::{SPEC_HASH_VERSION, spec_hash};
pub(crate) use host_ports::HostPorts;
pub use instance::{Capacity, EngineInfo, Health, HostState, Instance, InstanceState, PublishedPort};
pub use network::NetworkSpec;
pub use problem::{InvalidDefinition, MAX_PROBLEMS, Problem};
pub use spec::{MAX_CONTAINERS, PlacementStrategy, StackSpec};
pub use status::StackStatus;
pub use validate::{MAX_CONTAINER_BYTES, MAX_INSTANCES, MAX_NETWORK_BYTES, RESERVED_LABEL_PREFIX, validate};
