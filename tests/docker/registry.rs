//! A registry on loopback, as far as a pull needs one: engines take it without TLS there.

use std::net::SocketAddr;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const CONFIG: &str = "application/vnd.docker.container.image.v1+json";
const LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar";

/// It has one image, `here:1`; `private` wants a login, `busy` wants fewer requests, nothing else is known.
pub(crate) struct Registry {
    pub(crate) address: SocketAddr,
    server: JoinSet<()>,
}

#[derive(Clone)]
struct Image {
    manifest: Vec<u8>,
    blobs: [Vec<u8>; 2],
}

impl Registry {
    /// Serves until it is dropped.
    pub(crate) async fn serve(layer: Vec<u8>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new()
            .route("/v2/", get(|| async { "{}" }))
            .route("/v2/{name}/manifests/{reference}", get(manifest))
            .route("/v2/{name}/blobs/{digest}", get(blob))
            .with_state(Image::of(layer));
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, server }
    }

    /// Stops answering.
    pub(crate) async fn stop(mut self) {
        self.server.shutdown().await;
    }
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

impl Image {
    fn of(layer: Vec<u8>) -> Self {
        let config = json!({
            "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" },
            "os": "linux",
            "config": { "Entrypoint": ["/probe"], "Cmd": ["serve"] },
            "rootfs": { "type": "layers", "diff_ids": [digest(&layer)] },
        });
        let config = serde_json::to_vec(&config).unwrap();
        let part =
            |media: &str, bytes: &[u8]| json!({ "mediaType": media, "size": bytes.len(), "digest": digest(bytes) });
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": part(CONFIG, &config),
            "layers": [part(LAYER, &layer)],
        });
        Self { manifest: serde_json::to_vec(&manifest).unwrap(), blobs: [config, layer] }
    }
}

fn refusal(status: StatusCode, code: &str, message: &str) -> Response {
    let body = json!({ "errors": [{ "code": code, "message": message }] }).to_string();
    let mut response = (status, [(header::CONTENT_TYPE, "application/json")], body).into_response();
    if status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, "Basic realm=\"registry\"".parse().unwrap());
    }
    response
}

async fn manifest(State(image): State<Image>, Path((name, reference)): Path<(String, String)>) -> Response {
    let known = reference == "1" || reference == digest(&image.manifest);
    match name.as_str() {
        "here" if known => {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, MANIFEST.parse().unwrap());
            headers.insert("docker-content-digest", digest(&image.manifest).parse().unwrap());
            (headers, image.manifest).into_response()
        }
        "private" => refusal(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", "authentication required"),
        "busy" => refusal(StatusCode::TOO_MANY_REQUESTS, "TOOMANYREQUESTS", "you have reached your pull rate limit"),
        _ => refusal(StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN", "manifest unknown"),
    }
}

async fn blob(State(image): State<Image>, Path((_, wanted)): Path<(String, String)>) -> Response {
    match image.blobs.into_iter().find(|blob| digest(blob) == wanted) {
        Some(blob) => Body::from(blob).into_response(),
        None => refusal(StatusCode::NOT_FOUND, "BLOB_UNKNOWN", "blob unknown"),
    }
}
