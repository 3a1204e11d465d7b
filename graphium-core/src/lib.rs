//! Deploy container stacks to many hosts through a durable task queue that the hosts pull from.
//!
//! After any crash, lost link or retry, a deployment either happened everywhere or did not, and you know which. This
//! crate is the whole of it as a library: no HTTP server, no command line. `graphium-http` serves a store over
//! HTTP, and is the agent's side of one; `graphium-cli` is the `graphium` binary.
//!
//! # Embedding, in one screen
//!
//! A store, a task in it, and an agent with an executor of your own that does it:
//!
//! ```
//! use std::sync::Arc;
//!
//! use async_trait::async_trait;
//! use graphium_core::agent::{Agent, AgentConfig};
//! use graphium_core::clock::SystemClock;
//! use graphium_core::deploy::StepContext;
//! use graphium_core::execute::{Execution, Executor, ExecutorRegistry};
//! use graphium_core::id::AgentId;
//! use graphium_core::store::{AgentStore, MemoryStore, StoreSettings, Submission, TaskStore};
//! use graphium_core::task::{NewTask, Outcome, Task, TaskType};
//! use tokio_util::sync::CancellationToken;
//!
//! #[derive(Debug)]
//! struct Backup(CancellationToken);
//!
//! #[async_trait]
//! impl Executor for Backup {
//!     async fn execute(&self, task: &Task, _context: &StepContext) -> Execution {
//!         println!("backing up {}", task.spec.payload["path"]);
//!         self.0.cancel(); // one is enough for an example: the agent reports it, then stops
//!         Execution::Completed(Outcome::default())
//!     }
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let store = Arc::new(MemoryStore::new(Arc::new(SystemClock), StoreSettings::default()));
//!     let (host, backup, stop) = (AgentId::new("vm1")?, TaskType::Custom("backup".into()), CancellationToken::new());
//!
//!     let task = NewTask::new(host.clone(), backup.clone()).with_payload(serde_json::json!({ "path": "/srv" }));
//!     let id = store.submit(Submission::of("ann", [task])).await?.tasks[0].id();
//!
//!     let executors = ExecutorRegistry::default().with(backup, Arc::new(Backup(stop.clone())));
//!     let side: Arc<dyn AgentStore> = Arc::<MemoryStore>::clone(&store);
//!     Agent::new(AgentConfig::new(host, "this-machine"), side, executors, None)?.run(stop).await?;
//!
//!     assert_eq!(store.task(id).await?.status().as_str(), "completed");
//!     Ok(())
//! }
//! ```
//!
//! # Where to go from here
//!
//! | to | see |
//! |---|---|
//! | keep tasks across restarts | [`store`], feature `sqlite` |
//! | deploy stacks, not single tasks | [`control::Control`], [`stack::StackSpec`] |
//! | run containers | [`deploy::EngineDeployer`] over a [`deploy::Runtime`], feature `docker` |
//! | write a store or a runtime, and prove it | `conformance`, feature `conformance` |
//! | know what a task may become | [`task::TaskState::apply`] and [`task::lifecycle_table`] |
//! | drive time in a test | [`clock::ManualClock`] |
//! | test your program against a bad line, or with mocks | `testing`, features `testing` and `mocks` |
//!
//! # Features
//!
//! | feature | brings |
//! |---|---|
//! | *(none)* | types, traits, planning, the memory store and runtime, the agent, the control plane |
//! | `sqlite` | the SQLite store |
//! | `postgres` | the PostgreSQL store |
//! | `docker` | the Docker runtime |
//! | `conformance` | the suites |
//! | `openapi` | `utoipa::ToSchema` on what crosses the wire |
//! | `testing` | `testing::FaultyStore`: a store that loses, delays and repeats calls |
//! | `mocks` | that, and a mock of each trait |

pub mod agent;
pub mod clock;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod control;
pub mod deploy;
pub mod event;
pub mod execute;
pub mod id;
mod openapi;
pub mod placement;
pub mod plan;
pub mod stack;
pub mod store;
pub mod task;
#[cfg(feature = "testing")]
pub mod testing;
