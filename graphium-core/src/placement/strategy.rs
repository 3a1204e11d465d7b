//! The strategies.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::refusal::{cordon, held_port, misfit, not_open};
use super::tally::Tally;
use super::{HostRefusal, HostView, Placement, Placements, Refusal};
use crate::id::{AgentId, Slot};
use crate::stack::{ContainerSpec, HostState, PlacementStrategy, StackSpec};

/// An instance that is wanted: its container's place in the definition, and its slot.
type Wanted = (usize, Slot);

pub(super) struct Placer<'s> {
    spec: &'s StackSpec,
    hosts: &'s [&'s HostView],
    tally: Tally<'s>,
    answers: BTreeMap<Wanted, Result<(&'s AgentId, String), Refusal>>,
}

impl<'s> Placer<'s> {
    pub(super) fn new(spec: &'s StackSpec, hosts: &'s [&'s HostView]) -> Self {
        Self { spec, hosts, tally: Tally::default(), answers: BTreeMap::new() }
    }

    pub(super) fn run(&mut self) {
        let (named, free): (Vec<Wanted>, Vec<Wanted>) =
            self.wanted().partition(|(index, _)| self.spec.host_of(&self.spec.containers[*index]).is_some());
        for wanted in named {
            self.by_name(wanted);
        }
        match self.spec.strategy {
            PlacementStrategy::Manual => free.into_iter().for_each(|wanted| self.unnamed(wanted)),
            PlacementStrategy::Spread => self.spread(free),
            PlacementStrategy::Together => self.together(&free),
        }
    }

    pub(super) fn finish(self) -> Placements {
        let mut placements = Placements::default();
        for ((index, slot), answer) in self.answers {
            match answer {
                Ok((agent, reason)) => {
                    let container = self.spec.containers[index].name.clone();
                    placements.placed.push(Placement { container, slot, agent: agent.clone(), reason });
                }
                Err(refusal) => placements.refused.push(refusal),
            }
        }
        placements
    }

    fn wanted(&self) -> impl Iterator<Item = Wanted> + use<'s> {
        let containers = self.spec.containers.iter().enumerate();
        containers.flat_map(|(index, container)| (0..container.replicas).map(move |slot| (index, Slot(slot))))
    }

    fn put(&mut self, wanted: Wanted, host: &'s HostView, reason: impl Into<String>) {
        self.tally.add(&host.id, &self.spec.containers[wanted.0]);
        self.answers.insert(wanted, Ok((&host.id, reason.into())));
    }

    fn refuse(&mut self, wanted: Wanted, refusal: Refusal) {
        self.answers.insert(wanted, Err(refusal));
    }

    /// Where the definition says.
    fn by_name(&mut self, wanted: Wanted) {
        let (index, slot) = wanted;
        let container = &self.spec.containers[index];
        let Some(agent) = self.spec.host_of(container) else { return };
        let Some(host) = self.hosts.iter().copied().find(|host| host.id == *agent) else {
            let message = format!("no host {agent} is known; known hosts: {}", self.known());
            return self.refuse(wanted, Refusal::because(&container.name, slot, message));
        };
        let stays = host.has(&container.name, slot);
        // What a silent host last said of its ports may be long past: its own task will see.
        let sees_ports = host.state == HostState::Ready;
        let problem = misfit(self.spec, container, host)
            .or_else(|| if stays { None } else { cordon(host) })
            .or_else(|| if sees_ports { held_port(container, host) } else { None })
            .or_else(|| self.tally.clash(&host.id, container));
        match problem {
            Some(reason) => self.refuse(wanted, Refusal::on(&container.name, slot, agent, reason)),
            None if container.host.is_some() => self.put(wanted, host, "the container names this host"),
            None => self.put(wanted, host, "the stack names this host"),
        }
    }

    fn known(&self) -> String {
        if self.hosts.is_empty() {
            return "none".into();
        }
        self.hosts.iter().map(|host| host.id.as_str()).collect::<Vec<_>>().join(", ")
    }

    /// Manual placement without a name.
    fn unnamed(&mut self, wanted: Wanted) {
        let name = &self.spec.containers[wanted.0].name;
        let message = format!("{name} names no host, and placement is manual: give it or the stack `locatedInHost`");
        self.refuse(wanted, Refusal::because(name, wanted.1, message));
    }

    /// First whatever may stay, then the rest, those first that fit on the fewest hosts.
    fn spread(&mut self, free: Vec<Wanted>) {
        let mut rest = Vec::new();
        for wanted in free {
            match self.stay(wanted) {
                Some(host) => self.put(wanted, host, "it is there already"),
                None => rest.push(wanted),
            }
        }
        rest.sort_by_cached_key(|wanted| {
            let container = &self.spec.containers[wanted.0];
            let fits = self.hosts.iter().filter(|host| self.closed(container, host).is_none()).count();
            let has_fixed_port = container.ports.iter().any(|port| port.host_port.is_some());
            (fits, !has_fixed_port, *wanted)
        });
        for wanted in rest {
            let container = &self.spec.containers[wanted.0];
            let open = |host: &&&'s HostView| self.closed(container, host).is_none();
            let best = self
                .hosts
                .iter()
                .filter(open)
                .min_by_key(|host| (self.tally.count(&host.id), host.instances, &host.id));
            match best.copied() {
                Some(host) => {
                    let others = self.tally.count(&host.id);
                    self.put(wanted, host, format!("spread: {others} of this stack there before it"));
                }
                None => {
                    let hosts = self.reasons(|host| self.closed(container, host));
                    self.refuse(wanted, Refusal::nowhere(&container.name, wanted.1, hosts));
                }
            }
        }
    }

    /// The host that has the instance, where it may stay. A silent or cordoned host keeps what it has.
    fn stay(&self, (index, slot): Wanted) -> Option<&'s HostView> {
        let container = &self.spec.containers[index];
        let may_stay = |host: &&&'s HostView| {
            host.has(&container.name, slot)
                && misfit(self.spec, container, host).is_none()
                && held_port(container, host).is_none()
                && self.tally.clash(&host.id, container).is_none()
        };
        let has_it = self.hosts.iter().filter(may_stay);
        has_it.min_by_key(|host| (host.state != HostState::Ready, &host.id)).copied()
    }

    /// Why a new instance cannot go to a host.
    fn closed(&self, container: &ContainerSpec, host: &HostView) -> Option<String> {
        not_open(host)
            .or_else(|| misfit(self.spec, container, host))
            .or_else(|| held_port(container, host))
            .or_else(|| self.tally.clash(&host.id, container))
    }

    fn reasons(&self, why_not: impl Fn(&HostView) -> Option<String>) -> Vec<HostRefusal> {
        let refusal = |host: &&HostView| Some(HostRefusal { agent: host.id.clone(), reason: why_not(host)? });
        self.hosts.iter().filter_map(refusal).collect()
    }

    /// One host for all that name none.
    fn together(&mut self, free: &[Wanted]) {
        let is_home = |host: &&&'s HostView| !host.own.is_empty() && self.unfit_home(free, host).is_none();
        // What names its host is there for that, and says less about where the rest is at home.
        let at_home = |host: &HostView| {
            free.iter().filter(|(index, slot)| host.has(&self.spec.containers[*index].name, *slot)).count()
        };
        let rank = |host: &&&'s HostView| (Reverse(at_home(host)), Reverse(host.own.len()), &host.id);
        let home = self.hosts.iter().filter(is_home).min_by_key(rank);
        let empty = |host: &&&'s HostView| self.unfit_for_all(free, host).is_none();
        let (host, reason) = match home {
            Some(host) => (Some(host), "the stack is there already"),
            None => {
                let best = self.hosts.iter().filter(empty).min_by_key(|host| (host.instances, &host.id));
                (best, "one host for all: the one with the fewest instances")
            }
        };
        let Some(host) = host.copied() else {
            let hosts = self.reasons(|host| self.unfit_for_all(free, host));
            for wanted in free {
                let name = &self.spec.containers[wanted.0].name;
                self.refuse(*wanted, Refusal::nowhere(name, wanted.1, hosts.clone()));
            }
            return;
        };
        for wanted in free {
            let container = &self.spec.containers[wanted.0];
            match self.tally.clash(&host.id, container) {
                Some(clash) => self.refuse(*wanted, Refusal::on(&container.name, wanted.1, &host.id, clash)),
                None => self.put(*wanted, host, reason),
            }
        }
    }

    /// Why a host cannot keep the stack that it has.
    fn unfit_home(&self, free: &[Wanted], host: &HostView) -> Option<String> {
        let is_new = free.iter().any(|(index, slot)| !host.has(&self.spec.containers[*index].name, *slot));
        if is_new && host.cordoned { cordon(host) } else { self.unfit(free, host) }
    }

    /// Why a host cannot take all of the stack.
    fn unfit_for_all(&self, free: &[Wanted], host: &HostView) -> Option<String> {
        not_open(host).or_else(|| self.unfit(free, host))
    }

    fn unfit(&self, free: &[Wanted], host: &HostView) -> Option<String> {
        free.iter().find_map(|(index, _)| {
            let container = &self.spec.containers[*index];
            let problem = misfit(self.spec, container, host)
                .or_else(|| held_port(container, host))
                .or_else(|| self.tally.clash(&host.id, container))?;
            Some(format!("{problem}, which {} would need", container.name))
        })
    }
}
