//! The JSON bodies of the HTTP surface, shared by server and client so that neither can drift from the other.
//!
//! Camel case, durations as seconds, unknown fields tolerated where a newer peer may send them. This module must
//! not know axum or reqwest.

mod agent;
mod claim;
mod health;
mod instance;
mod inventory;
mod problem;
mod stack;
mod status;
mod store;
mod task;
mod token;

pub use graphium_core::task::{Seconds, SubmitTask};

pub use agent::{
    Challenge, CredentialCall, CredentialReply, HostSummary, JoinCall, MAX_MACHINE_LENGTH, join_message,
    renewal_message,
};
pub use claim::{ClaimCall, ClaimReply, ClaimedView, DirectiveView, ReceiptView, ReportView, RunningView};
pub use health::{HeldView, Readiness};
pub use instance::InstanceView;
pub use inventory::InventoryCall;
pub use problem::{Problem, ProblemCode, ProblemField};
pub use stack::Validated;
pub use status::{ErrorView, StatusCall};
pub use store::{DifferenceView, RestoreView};
pub use task::{LeaseFacts, task_of};
pub use token::{CreateToken, CreatedToken, TokenRole, TokenView};

/// The path under which every route of the surface lies.
pub const BASE: &str = "/api/v1";
/// The most tasks that one call names by their ids: with them its head stays well below the 8 KiB that a server reads.
pub const MAX_TASK_IDS: usize = 150;
/// The media type of an error.
pub const PROBLEM_MEDIA_TYPE: &str = "application/problem+json";

/// A body that breaks a rule that its JSON types cannot express.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {rule}")]
pub struct InvalidBody {
    /// The field.
    pub field: &'static str,
    /// What is wrong with it, and what it must be.
    pub rule: String,
}

impl InvalidBody {
    pub(crate) fn new(field: &'static str, rule: impl Into<String>) -> Self {
        Self { field, rule: rule.into() }
    }
}
