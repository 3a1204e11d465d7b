//! What a server says of itself to those who watch it.

use std::sync::Arc;

use axum::http::StatusCode;
use graphium_core::testing::{Fault, FaultPlan, FaultyStore};
use graphium_http::server::{Installation, router};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::harness::{Ground, Service};

#[tokio::test(start_paused = true)]
async fn a_server_whose_store_is_busy_writing_is_ready_in_time() {
    let mut ground = Ground::new();
    let clock: Arc<_> = Arc::clone(&ground.clock);
    let installation = Installation::open(&ground.store, ground.folder.path(), clock.as_ref()).await.unwrap();
    // It reads, and does not say whether it is held.
    let plan = FaultPlan::scripted([Fault::None, Fault::Hang]);
    ground.store = Arc::new(FaultyStore::new(Arc::clone(&ground.store), plan));
    let service = Service(router(ground.control(), clock, installation, CancellationToken::new()));

    let (status, ready) = service.call("GET", "/readyz", "", Value::Null).await;

    assert_eq!((status, ready), (StatusCode::OK, json!({ "ready": true })));
}
