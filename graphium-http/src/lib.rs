//! Graphium over HTTP: a [`server`] that serves a store, and a [`client`] that *is* the agent's side of one.
//!
//! Agent code cannot tell [`client::HttpAgent`] from a store in its own process. The bodies that travel are in
//! [`wire`], shared by both sides; errors travel as RFC 9457 problems with a stable code and come out of the client as the
//! kind of store error that went into the server.
//!
//! ```
//! use std::sync::Arc;
//!
//! use graphium_core::clock::SystemClock;
//! use graphium_core::control::Control;
//! use graphium_core::id::AgentId;
//! use graphium_core::store::{MemoryStore, StoreSettings};
//! use graphium_core::task::TaskType;
//! use graphium_http::client::Client;
//! use graphium_http::server::{ADMIN_TOKEN_FILE, ServerConfig, serve};
//! use graphium_http::wire::SubmitTask;
//! use tokio_util::sync::CancellationToken;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = Arc::new(MemoryStore::new(Arc::new(SystemClock), StoreSettings::default()));
//! let control = Control::new(store, Arc::new(SystemClock));
//! let (folder, stop) = (tempfile::tempdir()?, CancellationToken::new());
//! let server = serve(ServerConfig::new("127.0.0.1:0".parse()?, folder.path()), control, stop.clone()).await?;
//!
//! let token = std::fs::read_to_string(folder.path().join(ADMIN_TOKEN_FILE))?;
//! let client = Client::builder(server.url()).token(token.trim()).build()?;
//! let task = client.submit(&SubmitTask::new(AgentId::new("vm1")?, TaskType::Custom("backup".into()))).await?;
//! assert_eq!(client.task(task.id).await?.status.as_str(), "pending");
//!
//! stop.cancel();
//! server.stopped().await?;
//! # Ok(())
//! # }
//! ```

#[cfg(feature = "client")]
pub mod client;
#[cfg(feature = "server")]
pub mod server;
pub mod wire;
