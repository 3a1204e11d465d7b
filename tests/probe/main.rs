//! The program of the test images: one static binary that stands in for any server.
//!
//! Built by `build.rs` with the standard library alone, so that an image needs nothing else. Called by another name than
//! `probe` it is a command that succeeds: an image may hold it as `sh`, `wget` or whatever a health check calls.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::exit;
use std::thread;
use std::time::Duration;

/// Ports to serve when the command names none, separated by commas.
const PORTS_VARIABLE: &str = "PROBE_PORTS";
const DEFAULT_PORTS: &str = "80";
const SIGTERM: i32 = 15;

unsafe extern "C" {
    fn signal(number: i32, handler: extern "C" fn(i32)) -> usize;
    fn _exit(code: i32) -> !;
}

/// The kernel lets the first process of a container ignore every signal that it does not handle.
extern "C" fn end(_: i32) {
    // SAFETY: `_exit` may be called by a signal handler.
    unsafe { _exit(0) }
}

extern "C" fn stay(_: i32) {}

fn main() {
    let mut words = env::args();
    let called = words.next().unwrap_or_default();
    if Path::new(&called).file_name().is_some_and(|name| name != "probe") {
        exit(0);
    }
    let words: Vec<String> = words.collect();
    let word = |at: usize| words.get(at).map_or("", String::as_str);
    let number = |at: usize| word(at).parse().unwrap_or(0);
    match word(0) {
        "exit" => {
            println!("about to end");
            exit(number(1))
        }
        "check" => exit(i32::from(TcpStream::connect(("127.0.0.1", number(1) as u16)).is_err())),
        "fail" => {
            println!("the check says no");
            exit(1)
        }
        "stubborn" => serve(stay, Duration::ZERO),
        "slow" => serve(end, Duration::from_secs(number(1) as u64)),
        _ => serve(end, Duration::ZERO),
    }
}

fn serve(on_term: extern "C" fn(i32), delay: Duration) {
    // SAFETY: both handlers do only what a signal handler may.
    unsafe { signal(SIGTERM, on_term) };
    thread::sleep(delay);
    let ports = env::var(PORTS_VARIABLE).unwrap_or_else(|_| DEFAULT_PORTS.into());
    for port in ports.split(',').filter_map(|port| port.trim().parse::<u16>().ok()) {
        match TcpListener::bind(("0.0.0.0", port)) {
            Ok(listener) => drop(thread::spawn(move || answer_all(&listener))),
            Err(error) => {
                eprintln!("port {port} cannot be served: {error}");
                exit(1)
            }
        }
    }
    println!("serving");
    loop {
        thread::park();
    }
}

fn answer_all(listener: &TcpListener) {
    for connection in listener.incoming().flatten() {
        thread::spawn(move || {
            if let Err(error) = answer(connection) {
                eprintln!("a request was cut off: {error}");
            }
        });
    }
}

/// The host name and every variable, a line each.
fn answer(mut connection: TcpStream) -> std::io::Result<()> {
    let mut request = BufReader::new(connection.try_clone()?);
    let mut line = String::new();
    while request.read_line(&mut line)? > 0 && line.trim_end() != "" {
        line.clear();
    }
    let mut body = format!("{}\n", env::var("HOSTNAME").unwrap_or_default());
    for (name, value) in env::vars() {
        body.push_str(&format!("{name}={value}\n"));
    }
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    connection.write_all(head.as_bytes())?;
    connection.write_all(body.as_bytes())
}
