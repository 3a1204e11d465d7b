//! Bodies of `/stacks` that the core does not have.

use graphium_core::id::StackName;
use graphium_core::stack::Problem as DefinitionProblem;
use serde::{Deserialize, Serialize};

/// Answer of `POST /stacks/validate` for a definition without a fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Validated {
    /// The stack that it defines.
    pub stack: StackName,
    /// What was let through although it changes nothing.
    pub warnings: Vec<DefinitionProblem>,
}
