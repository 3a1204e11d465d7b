//! The keys of an installation.

use graphium_core::clock::ManualClock;
use graphium_core::store::StoreErrorKind;
use graphium_http::server::{
    ADMIN_TOKEN_FILE, Installation, KeyError, ServerConfig, ServerError, WRAPPING_KEY_FILE, serve,
};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::harness::Ground;

#[cfg(unix)]
fn mode(path: &std::path::Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn the_first_start_leaves_two_files_for_their_owner_only() {
    let ground = Ground::new();
    ground.service().await;
    let mut names: Vec<_> =
        std::fs::read_dir(ground.folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, [ADMIN_TOKEN_FILE, WRAPPING_KEY_FILE]);
    #[cfg(unix)]
    for name in names {
        assert_eq!(mode(&ground.folder.path().join(&name)), 0o600, "{name:?}");
    }
}

#[tokio::test]
async fn a_second_server_with_the_same_wrapping_key_accepts_the_tokens_of_the_first() {
    let ground = Ground::new();
    let first = ground.server().await;
    let other_folder = TempDir::new().unwrap();
    std::fs::copy(ground.folder.path().join(WRAPPING_KEY_FILE), other_folder.path().join(WRAPPING_KEY_FILE)).unwrap();
    let mut config = ground.config();
    config.data_dir = other_folder.path().to_owned();
    let second = ground.server_at(config).await;

    assert_eq!(first.handle.installation().id(), second.handle.installation().id());
    second.client(&ground.admin_token()).tokens(Default::default()).await.unwrap();
    assert!(!other_folder.path().join(ADMIN_TOKEN_FILE).exists(), "only the first start makes an admin");
}

#[tokio::test]
async fn servers_that_start_at_once_make_one_installation() {
    let ground = Ground::new();
    let clock = ManualClock::default();
    let opened =
        futures::future::join_all((0..8).map(|_| Installation::open(&ground.store, ground.folder.path(), &clock)))
            .await;
    let ids: std::collections::BTreeSet<_> = opened.into_iter().map(|opened| opened.unwrap().id()).collect();
    assert_eq!(ids.len(), 1);
    let server = ground.server().await;
    server.client(&ground.admin_token()).tokens(Default::default()).await.unwrap();
}

#[tokio::test]
async fn another_wrapping_key_is_refused_with_what_to_do() {
    let ground = Ground::new();
    ground.service().await;
    let other_folder = TempDir::new().unwrap();
    let clock = ManualClock::default();
    let error = Installation::open(&ground.store, other_folder.path(), &clock).await.unwrap_err();
    assert!(matches!(error, KeyError::WrongKey { .. }), "{error}");
    assert!(error.to_string().contains("copy its wrapping.key"), "{error}");
}

#[tokio::test]
async fn a_file_that_is_no_key_is_refused_by_name() {
    let ground = Ground::new();
    let path = ground.folder.path().join(WRAPPING_KEY_FILE);
    std::fs::write(&path, "too short").unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    let error = Installation::open(&ground.store, ground.folder.path(), &ManualClock::default()).await.unwrap_err();
    assert!(error.to_string().contains("wrapping.key does not hold a wrapping key"), "{error}");
}

#[cfg(unix)]
#[tokio::test]
async fn a_wrapping_key_that_others_may_read_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let ground = Ground::new();
    ground.service().await;
    let path = ground.folder.path().join(WRAPPING_KEY_FILE);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    let error = Installation::open(&ground.store, ground.folder.path(), &ManualClock::default()).await.unwrap_err();
    assert!(error.to_string().contains("chmod 600"), "{error}");
}

#[tokio::test]
async fn an_admin_token_that_was_not_put_in_its_place_is_put_there_by_the_next_start() {
    let ground = Ground::new();
    let service = ground.service().await;
    let admin = ground.admin_token();
    let (_, tokens) = service.call("GET", "/api/v1/tokens", &admin, serde_json::Value::Null).await;
    let id = tokens["items"][0]["id"].as_str().unwrap();
    // As after a crash between the commit and the rename, and one of a start that was never committed.
    let placed = ground.folder.path().join(ADMIN_TOKEN_FILE);
    std::fs::rename(&placed, ground.folder.path().join(format!("{ADMIN_TOKEN_FILE}.{id}"))).unwrap();
    let orphan = ground.folder.path().join(format!("{ADMIN_TOKEN_FILE}.0123"));
    std::fs::write(&orphan, "x").unwrap();

    ground.service().await;

    assert_eq!(ground.admin_token(), admin);
    assert!(!orphan.exists());
}

#[tokio::test]
async fn the_store_holds_no_secret_in_clear() {
    use graphium_core::store::{RecordKey, RecordKind};
    let ground = Ground::new();
    let service = ground.service().await;
    let admin = ground.admin_token();
    let body = serde_json::json!({ "name": "vm1", "role": "join" });
    let (_, created) = service.call("POST", "/api/v1/tokens", &admin, body).await;
    let secret = created["token"].as_str().unwrap();

    let records = ground.store.records(RecordKind::Token, "", Default::default()).await.unwrap();
    let installation = ground.store.record(&RecordKey::new(RecordKind::Installation, "installation")).await.unwrap();
    let text = format!("{records:?}{installation:?}");
    assert!(records.items.len() == 2 && !text.contains(secret) && !text.contains(&admin), "{text}");
}

#[tokio::test]
async fn a_server_beyond_loopback_without_tls_is_refused_with_the_flags() {
    let ground = Ground::new();
    let config = ServerConfig::new("0.0.0.0:0".parse().unwrap(), ground.folder.path());
    let error = serve(config, ground.control(), CancellationToken::new()).await.unwrap_err();
    assert!(matches!(error, ServerError::TlsNeeded { .. }));
    assert!(error.to_string().contains("--tls-cert") && error.to_string().contains("--tls-key"), "{error}");
}

#[tokio::test]
async fn an_address_that_is_taken_is_named() {
    let ground = Ground::new();
    let server = ground.server().await;
    let mut config = ground.config();
    config.listen = server.handle.local_addr();
    let error = serve(config, ground.control(), CancellationToken::new()).await.unwrap_err();
    assert!(error.to_string().contains(&server.handle.local_addr().to_string()), "{error}");
}

#[tokio::test]
async fn a_token_of_another_installation_is_refused() {
    let (one, other) = (Ground::new(), Ground::new());
    let server = one.server().await;
    other.service().await;
    let error = server.client(&other.admin_token()).tokens(Default::default()).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unauthorized);
}
