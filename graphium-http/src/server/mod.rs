//! The server: an axum router over a store, with keys, tokens and event streams of its own.

mod access;
mod body;
mod caller;
mod enrol;
mod feed;
mod keys;
pub mod limits;
mod listener;
mod owner_file;
mod problem;
mod routes;
mod serve;
mod state;
mod tls;
mod token;

pub use keys::{ADMIN_TOKEN_FILE, Installation, KeyError, WRAPPING_KEY_FILE};
pub use problem::{code_of, code_of_control};
pub use routes::openapi_json;
pub use serve::{ServerConfig, ServerError, ServerHandle, TlsFiles, router, serve};
