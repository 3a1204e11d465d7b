//! Whether the server lives and takes work, and a page for whoever opens it in a browser.

use axum::Json;
use axum::extract::State;
use graphium_core::store::{RecordKey, RecordKind};

use super::Answer;
use crate::server::limits::HELD_TIMEOUT;
use crate::server::problem::ApiError;
use crate::server::state::AppState;
use crate::wire::{HeldView, Problem, ProblemCode, Readiness};

/// Whether the process answers.
#[utoipa::path(get, path = "/healthz", tag = "server", security(()), responses((status = 200, body = str)))]
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// Whether the store answers and the server is not stopping.
///
/// A store that is held after a restore is ready, and says so: if it were not, what stands before the server would keep the
/// agents away whose reports are needed to let the store go on. One that is too busy to say whether it is held is ready
/// within a second, and nothing is said of it.
#[utoipa::path(get, path = "/readyz", tag = "server", security(()), responses(
    (status = 200, body = Readiness), (status = 503, body = Problem)
))]
pub(super) async fn readyz(State(state): State<AppState>) -> Answer<Readiness> {
    if state.stopping.is_cancelled() {
        return Err(ApiError::new(ProblemCode::Unavailable, "the server is stopping"));
    }
    let key = RecordKey::new(RecordKind::Installation, "installation");
    state.store.record(&key).await.map_err(|error| {
        tracing::warn!(error = &error as &dyn std::error::Error, "the store does not answer");
        ApiError::new(ProblemCode::Unavailable, "the store does not answer")
    })?;
    let restored = match tokio::time::timeout(HELD_TIMEOUT, state.store.status()).await {
        Ok(Ok(status)) => status.restored,
        // One that cannot write at the moment, or writes a lot, still answers whoever reads.
        Ok(Err(error)) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "the store does not say whether it is held");
            None
        }
        Err(_) => {
            tracing::warn!(waited = ?HELD_TIMEOUT, "the store does not say in time whether it is held");
            None
        }
    };
    Ok(Json(Readiness { ready: true, held: restored.map(HeldView::from) }))
}

/// A page for people.
pub(super) async fn index(State(state): State<AppState>) -> String {
    format!(
        "Graphium {}\ninstallation {}\n\nAPI      /api/v1 (described in /openapi.json)\nevents   /api/v1/events, /api/v1/ws\n\
         health   /healthz, /readyz\n",
        env!("CARGO_PKG_VERSION"),
        state.access.installation()
    )
}
