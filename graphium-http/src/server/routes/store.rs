//! The store after a restore from a backup.

use axum::Json;
use axum::extract::State;

use super::Answer;
use crate::server::caller::{Admin, Viewer};
use crate::server::problem::ApiError;
use crate::server::state::AppState;
use crate::wire::{Problem, RestoreView};

/// Whether the store is held after a restore, and how it differs from what the hosts report.
#[utoipa::path(get, path = "/store/restore", tag = "store", responses(
    (status = 200, body = RestoreView), (status = "default", body = Problem)
))]
pub(super) async fn show_restore(State(state): State<AppState>, _: Viewer) -> Answer<RestoreView> {
    Ok(Json(view(&state).await?))
}

/// Lets a held store go on; one that is not held is left as it is. Answers with what still differs.
#[utoipa::path(post, path = "/store/restore/confirm", tag = "store", responses(
    (status = 200, body = RestoreView), (status = "default", body = Problem)
))]
pub(super) async fn confirm_restore(State(state): State<AppState>, Admin(caller): Admin) -> Answer<RestoreView> {
    state.control.confirm_restore(&caller.actor()).await?;
    Ok(Json(view(&state).await?))
}

async fn view(state: &AppState) -> Result<RestoreView, ApiError> {
    let (status, differences) = state.control.restore_status().await?;
    Ok(RestoreView::new(&status, differences))
}
