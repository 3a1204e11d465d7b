//! The description of the surface.

use axum::http::StatusCode;
use graphium_http::server::openapi_json;
use serde_json::Value;

use crate::harness::Ground;

/// Set it to write the file anew.
const UPDATE: &str = "UPDATE_GOLDEN";

#[test]
fn the_description_in_the_docs_is_the_code() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi.json");
    let made = openapi_json() + "\n";
    if std::env::var_os(UPDATE).is_some() {
        std::fs::write(path, &made).unwrap();
    }
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        kept == made,
        "docs/openapi.json is not what the routes say: run the test again with {UPDATE}=1 and look at the difference"
    );
}

#[tokio::test]
async fn the_server_serves_its_description_to_everybody() {
    let ground = Ground::new();
    let service = ground.service().await;
    for path in ["/openapi.json", "/api/v1/openapi.json"] {
        let (status, document) = service.call("GET", path, "", Value::Null).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(document, serde_json::from_str::<Value>(&openapi_json()).unwrap());
    }
}

#[tokio::test]
async fn probes_need_no_token_and_the_first_page_says_where_to_look() {
    let ground = Ground::new();
    let service = ground.service().await;
    for path in ["/healthz", "/readyz", "/api/v1/healthz", "/api/v1/readyz", "/"] {
        assert_eq!(service.call("GET", path, "", Value::Null).await.0, StatusCode::OK, "{path}");
    }
}
