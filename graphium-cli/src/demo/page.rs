//! `graphium demo-page`: what runs in the demo's containers. One page that says who answers.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::exit::Exit;
use crate::interrupt::Interrupts;

/// The port inside the container.
pub(super) const PORT: u16 = 8080;
/// The variables that the page shows.
pub(super) const INSTANCE: &str = "DEMO_INSTANCE";
pub(super) const HOST: &str = "DEMO_HOST";
pub(super) const GREETING: &str = "DEMO_GREETING";

const LONGEST_REQUEST: u64 = 8 * 1024;
const MAX_CONNECTIONS: usize = 64;
const PATIENCE: Duration = Duration::from_secs(5);

/// Serves the demo's page
#[derive(Debug, Args)]
pub(crate) struct DemoPageArgs {
    /// Ask the page instead of serving it: a health check
    #[arg(long)]
    check: bool,
}

impl DemoPageArgs {
    pub(crate) fn run(&self) -> anyhow::Result<Exit> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async { if self.check { check().await } else { serve().await } })
    }
}

async fn check() -> anyhow::Result<Exit> {
    let page = fetch((Ipv4Addr::LOCALHOST, PORT).into()).await?;
    if page.is_empty() {
        bail!("the page is empty");
    }
    Ok(Exit::Done)
}

async fn serve() -> anyhow::Result<Exit> {
    let mut interrupts = Interrupts::listen()?;
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT)).await.context("cannot listen")?;
    let page = page(|name| std::env::var(name).unwrap_or_default());
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = interrupts.next() => return Ok(Exit::Done),
            accepted = listener.accept(), if connections.len() < MAX_CONNECTIONS => {
                let (stream, _) = accepted.context("cannot accept")?;
                connections.spawn(timeout(PATIENCE, answer(stream, page.clone())));
            }
            // A visitor who hangs up is no concern of ours.
            Some(_) = connections.join_next() => {}
        }
    }
}

/// The page, with variables from `read`.
pub(super) fn page(read: impl Fn(&str) -> String) -> String {
    format!("{} from {} on {}\n", read(GREETING), read(INSTANCE), read(HOST))
}

async fn answer(mut stream: TcpStream, page: String) -> std::io::Result<()> {
    let (mut head, mut chunk) = (Vec::new(), [0; 1024]);
    while !head.windows(4).any(|window| window == b"\r\n\r\n") {
        let read = stream.read(&mut chunk).await?;
        if read == 0 || head.len() as u64 > LONGEST_REQUEST {
            return Ok(());
        }
        head.extend_from_slice(&chunk[..read]);
    }
    let length = page.len();
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{page}"
    );
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await
}

/// Fetches a page as any visitor would, and answers with its text.
pub(super) async fn fetch(address: SocketAddr) -> anyhow::Result<String> {
    let visit = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(format!("GET / HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").as_bytes()).await?;
        let mut answer = String::new();
        stream.take(LONGEST_REQUEST).read_to_string(&mut answer).await?;
        std::io::Result::Ok(answer)
    };
    let answer = timeout(PATIENCE, visit)
        .await
        .with_context(|| format!("http://{address}/ did not answer within {PATIENCE:?}"))?
        .with_context(|| format!("http://{address}/ did not answer"))?;
    match answer.split_once("\r\n\r\n") {
        Some((head, body)) if head.starts_with("HTTP/1.1 200 ") => Ok(body.trim_end().to_owned()),
        _ => bail!("http://{address}/ answered {:?}", answer.lines().next().unwrap_or("nothing")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_says_who_answers_and_where() {
        let page = page(|name| name.trim_start_matches("DEMO_").to_lowercase());
        assert_eq!(page, "greeting from instance on host\n");
    }

    #[tokio::test]
    async fn a_visitor_gets_the_page() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let serve = async {
            let (stream, _) = listener.accept().await.unwrap();
            answer(stream, "hello\n".to_owned()).await.unwrap();
        };
        let (page, ()) = tokio::join!(fetch(address), serve);
        assert_eq!(page.unwrap(), "hello");
    }

    #[tokio::test]
    async fn a_page_that_nobody_serves_is_an_error_that_names_its_address() {
        let address = {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            listener.local_addr().unwrap()
        };
        let error = fetch(address).await.unwrap_err();
        assert!(error.to_string().contains(&address.to_string()), "{error}");
    }
}
