//! Which commands are done together.

use std::collections::VecDeque;

use crate::store::sql::command::Command;

/// The most tasks, roughly, in one commit: the first command that goes over it is the last one of its batch.
const MAX_WEIGHT: usize = 2000;

/// Whether commands may be done together as they are.
pub(super) fn fits_one_batch(commands: &[Command]) -> bool {
    let weight: usize = commands.iter().map(Command::weight).sum();
    weight <= MAX_WEIGHT && !commands.iter().any(Command::is_alone)
}

/// Takes the commands of the next batch.
pub(super) fn next_batch(queue: &mut VecDeque<Command>) -> Vec<Command> {
    let mut batch = Vec::new();
    let mut weight = 0;
    while let Some(command) = queue.front() {
        if !batch.is_empty() && (command.is_alone() || weight >= MAX_WEIGHT) {
            break;
        }
        weight += command.weight();
        let last = command.is_alone();
        batch.extend(queue.pop_front());
        if last {
            break;
        }
    }
    batch
}
