//! Stacks and instances to plan with, in tests.

use crate::id::{AgentId, ContainerName, Generation, Slot, StackName};
use crate::placement::Placement;
use crate::stack::{
    ContainerSpec, Dependency, Health, Instance, InstanceState, PlacementStrategy, StackSpec, spec_hash,
};

pub(super) fn stack(containers: &[(&str, &[&str])]) -> StackSpec {
    let container = |(name, needs): &(&str, &[&str])| {
        let mut spec = ContainerSpec::new(ContainerName::new(*name).unwrap(), format!("{name}:1"));
        spec.depends_on = needs
            .iter()
            .map(|need| Dependency { container: ContainerName::new(*need).unwrap(), condition: None })
            .collect();
        spec
    };
    StackSpec {
        name: StackName::new("shop").unwrap(),
        description: None,
        comment: None,
        strategy: PlacementStrategy::Manual,
        host_constraints: Vec::new(),
        host: None,
        network: None,
        containers: containers.iter().map(container).collect(),
    }
}

pub(super) fn host(name: &str) -> AgentId {
    AgentId::new(name).unwrap()
}

/// Puts slot 0 of each container on the host of the same place in the list.
pub(super) fn placed(spec: &StackSpec, hosts: &[&str]) -> Vec<Placement> {
    spec.containers
        .iter()
        .zip(hosts)
        .map(|(container, on)| Placement {
            container: container.name.clone(),
            slot: Slot(0),
            agent: host(on),
            reason: "named".into(),
        })
        .collect()
}

/// A good instance of a container as the stack wants it.
pub(super) fn instance(spec: &StackSpec, container: &str) -> Instance {
    let wanted = spec.containers.iter().find(|wanted| wanted.name.as_str() == container).unwrap();
    Instance {
        runtime_id: format!("id-{container}"),
        name: format!("shop_{container}_0_abcdef"),
        stack: Some(spec.name.clone()),
        container: wanted.name.clone(),
        slot: Slot(0),
        generation: Generation(1),
        spec_hash: spec_hash(wanted, spec.network.as_ref()),
        task: None,
        image: wanted.image.clone(),
        image_digest: "sha256:1".into(),
        state: InstanceState::Running,
        health: Health::None,
        restart_count: 0,
        ports: Vec::new(),
    }
}
