//! A connection to one server: where it is, who asks, and how long an answer may take.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use reqwest::{Certificate, RequestBuilder, Response, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::ClientError;
use crate::wire::BASE;

/// How long a connection may take when nothing is said.
pub const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a call may take when nothing is said; a call that waits for work gets its wait on top.
pub const DEFAULT_CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// The largest answer that is read.
pub const MAX_RESPONSE_BYTES: usize = 128 * 1024 * 1024;

/// Sets up a [`Client`].
#[derive(Debug)]
#[must_use = "a builder does nothing until it builds"]
pub struct ClientBuilder {
    url: String,
    token: Option<String>,
    ca: Option<Vec<u8>>,
    connect_timeout: Duration,
    call_timeout: Duration,
    local_address: Option<IpAddr>,
}

/// Calls to one server. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base: Url,
    token: Option<Arc<str>>,
    call_timeout: Duration,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("base", &self.base.as_str()).finish_non_exhaustive()
    }
}

impl ClientBuilder {
    /// Calls bear this token.
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// Trusts the servers of this authority (PEM), and no other.
    pub fn ca_certificate(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.ca = Some(pem.into());
        self
    }

    /// How long a connection may take.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How long a call may take.
    pub fn call_timeout(mut self, timeout: Duration) -> Self {
        self.call_timeout = timeout;
        self
    }

    /// Dials from this address of the machine, where it has several, instead of the one that the system chooses.
    pub fn local_address(mut self, address: IpAddr) -> Self {
        self.local_address = Some(address);
        self
    }

    /// The client.
    ///
    /// # Errors
    /// [`ClientError::Setup`] for an address that is no HTTP one or a certificate that cannot be read.
    pub fn build(self) -> Result<Client, ClientError> {
        let setup = |text: String| ClientError::Setup(text);
        let base = Url::parse(&self.url).map_err(|error| setup(format!("server address {:?}: {error}", self.url)))?;
        if !matches!(base.scheme(), "http" | "https") || base.host_str().is_none() {
            return Err(setup(format!("server address {:?} must begin with http:// or https://", self.url)));
        }
        // Whoever came first has installed one; then that is the one to use.
        drop(rustls::crypto::ring::default_provider().install_default());
        let mut http = reqwest::Client::builder()
            .connect_timeout(self.connect_timeout)
            .local_address(self.local_address)
            .redirect(reqwest::redirect::Policy::none())
            .tcp_nodelay(true)
            .user_agent(concat!("graphium/", env!("CARGO_PKG_VERSION")));
        if is_loopback(&base) {
            http = http.no_proxy();
        }
        if base.scheme() == "http" {
            http = http.tls_certs_only([]);
        } else if let Some(pem) = &self.ca {
            let certificates = Certificate::from_pem_bundle(pem)
                .map_err(|error| setup(format!("the CA certificate cannot be read: {error}")))?;
            http = http.tls_certs_only(certificates);
        }
        let http = http.build().map_err(|error| setup(format!("the HTTP client cannot be set up: {error}")))?;
        Ok(Client { http, base, token: self.token.map(Into::into), call_timeout: self.call_timeout })
    }
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or("").trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

impl Client {
    /// Sets up a client of the server at this address, such as `https://graphium.example:8095`.
    pub fn builder(url: impl Into<String>) -> ClientBuilder {
        ClientBuilder {
            url: url.into(),
            token: None,
            ca: None,
            connect_timeout: DEFAULT_CONNECT_TIMEOUT,
            call_timeout: DEFAULT_CALL_TIMEOUT,
            local_address: None,
        }
    }

    /// The address of the server.
    #[must_use]
    pub fn url(&self) -> &str {
        self.base.as_str()
    }

    /// The same server with another token.
    #[must_use]
    pub fn with_token(&self, token: impl Into<String>) -> Self {
        Self { token: Some(token.into().into()), ..self.clone() }
    }

    /// How long a call may take.
    #[must_use]
    pub fn call_timeout(&self) -> Duration {
        self.call_timeout
    }

    /// A call of a route, by the segments of its path.
    pub(super) fn call(&self, method: Method, path: &[&str]) -> RequestBuilder {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(BASE.split('/').filter(|part| !part.is_empty())).extend(path);
        }
        let request = self.http.request(method, url).timeout(self.call_timeout);
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &(impl Serialize + Sync),
    ) -> Result<T, ClientError> {
        self.read(self.call(Method::GET, path).query(query)).await
    }

    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        path: &[&str],
        body: &(impl Serialize + Sync),
    ) -> Result<T, ClientError> {
        self.read(self.call(Method::POST, path).json(body)).await
    }

    pub(super) async fn delete(&self, path: &[&str]) -> Result<(), ClientError> {
        self.done(self.call(Method::DELETE, path)).await
    }

    /// Sends a call and reads its JSON answer.
    pub(super) async fn read<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, ClientError> {
        let response = self.send(request).await?;
        let body = self.body(response).await?;
        serde_json::from_slice(&body).map_err(|error| self.unreadable(error.to_string()))
    }

    /// Sends a call whose answer has no body.
    pub(super) async fn done(&self, request: RequestBuilder) -> Result<(), ClientError> {
        self.send(request).await.map(drop)
    }

    /// Sends a call; an error answer is an error.
    pub(super) async fn send(&self, request: RequestBuilder) -> Result<Response, ClientError> {
        let response = request.send().await.map_err(|source| self.unreachable(source))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let body = self.body(response).await?;
        Err(ClientError::refused(self.url(), status, &body))
    }

    async fn body(&self, mut response: Response) -> Result<Vec<u8>, ClientError> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|source| self.unreachable(source))? {
            if body.len() + chunk.len() > MAX_RESPONSE_BYTES {
                return Err(self.unreadable(format!("the answer is larger than {MAX_RESPONSE_BYTES} bytes")));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    pub(super) fn unreachable(&self, source: reqwest::Error) -> ClientError {
        ClientError::Unreachable { url: self.url().to_owned(), source: source.without_url() }
    }

    pub(super) fn unreadable(&self, reason: impl Into<String>) -> ClientError {
        ClientError::Unreadable { url: self.url().to_owned(), reason: reason.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_without_a_scheme_is_refused_with_what_it_needs() {
        let error = Client::builder("graphium.example:8095").build().unwrap_err();
        assert!(error.to_string().contains("http://"), "{error}");
    }

    #[test]
    fn a_name_in_a_path_cannot_leave_its_segment() {
        let client = Client::builder("http://127.0.0.1:1/sub/").build().unwrap();
        let request = client.call(Method::GET, &["tokens", "../agents?x=1"]).build().unwrap();
        assert_eq!(request.url().as_str(), "http://127.0.0.1:1/sub/api/v1/tokens/..%2Fagents%3Fx=1");
    }

    #[tokio::test]
    async fn a_client_dials_from_the_address_that_it_is_told() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let address: IpAddr = "127.0.0.2".parse().unwrap();
        let client = Client::builder(url).local_address(address).build().unwrap();

        // The server hangs up, so the call ends.
        let accept = async { listener.accept().await.unwrap().1 };
        let (call, from) = futures::join!(client.done(client.call(Method::GET, &["health"])), accept);
        assert!(call.is_err());
        assert_eq!(from.ip(), address);
    }

    #[test]
    fn a_token_does_not_show_in_debug_output() {
        let client = Client::builder("http://127.0.0.1:1").token("s3cret").build().unwrap();
        assert!(!format!("{client:?}").contains("s3cret"));
    }
}
