//! What clients ask for: tasks that depend on each other, tasks of a lane, tasks under a key, and stacks.

use graphium_core::id::{AgentId, StackName, TaskId};
use graphium_core::task::{IdempotencyKey, Priority, TaskType};
use graphium_http::wire::{Seconds, SubmitTask};
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use serde_json::json;

use crate::script;

/// How many stacks there are, how many containers each has on a host, and on how many hosts.
const STACKS: u32 = 2;
const CONTAINERS: usize = 2;
const HOSTS: usize = 2;

/// A submission. `earlier` is a task that some of it may come after; `name` is one that no other submission has.
pub(crate) fn draw(rng: &mut StdRng, agents: &[AgentId], earlier: Option<TaskId>, name: &str) -> Vec<SubmitTask> {
    let mut tasks: Vec<SubmitTask> = Vec::new();
    for number in 0..rng.random_range(1..5) {
        let agent = agents.choose(rng).expect("there are agents").clone();
        let mut task = if rng.random_bool(0.3) { in_lane(rng, agent) } else { bare(agent) };
        task.id = Some(TaskId::generate());
        task.priority = Some(Priority::new(rng.random_range(0..=10)).expect("up to 10"));
        task.max_retries = Some(rng.random_range(0..3));
        task.timeout_seconds = Some(Seconds(script::DEADLINE));
        if rng.random_bool(0.3) {
            let key = IdempotencyKey::new(format!("{name}/{number}")).expect("a valid key");
            task.idempotency_key = Some(key);
        }
        if let Some(before) = tasks.choose(rng).filter(|_| rng_says(0.3, name, number)) {
            task.depends_on.extend(before.id);
        }
        if rng.random_bool(0.15) {
            task.depends_on.extend(earlier);
        }
        tasks.push(task);
    }
    tasks
}

/// Chance without a second hold on the generator: from what is unique to a task.
fn rng_says(chance: f64, name: &str, number: usize) -> bool {
    let sum = name.bytes().fold(number * 7, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(byte)));
    f64::from(u32::try_from(sum % 1000).expect("below a thousand")) < chance * 1000.0
}

fn bare(agent: AgentId) -> SubmitTask {
    SubmitTask::new(agent, script::work())
}

/// A task of the lane of a container, of a stack or of none.
fn in_lane(rng: &mut StdRng, agent: AgentId) -> SubmitTask {
    let container = format!("c{}", rng.random_range(0..CONTAINERS));
    let mut task = SubmitTask::new(agent, TaskType::Restart);
    task.payload = json!({ "containerName": container });
    if rng.random_bool(0.6) {
        task.payload["stack"] = stack(rng).as_str().into();
    }
    task
}

fn stack(rng: &mut StdRng) -> StackName {
    StackName::new(format!("s{}", rng.random_range(0..STACKS))).expect("a valid name")
}

/// A definition of a stack that differs from every earlier one.
pub(crate) fn draw_stack(rng: &mut StdRng, agents: &[AgentId], number: u64) -> (StackName, String) {
    let name = stack(rng);
    let part = |container: usize, host: &AgentId| {
        json!({
            "@type": "SoftwareApplication", "name": format!("c{container}"), "image": "web:1",
            "locatedInHost": { "@id": host.as_str() },
            "minUptimeSeconds": 1,
            "environmentVariable": [{ "@type": "PropertyValue", "name": "NUMBER", "value": number.to_string() }],
        })
    };
    let hosts: Vec<_> = agents.iter().take(HOSTS).collect();
    let parts: Vec<_> = (0..CONTAINERS).map(|container| part(container, hosts[container % hosts.len()])).collect();
    let definition = json!({
        "@context": "https://schema.org",
        "@graph": [{
            "@type": "Stack", "name": name.as_str(),
            "deployment": { "placementStrategy": "manual" },
            "hasPart": parts,
        }],
    });
    (name, definition.to_string())
}
