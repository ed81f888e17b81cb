//! One page by HTTP/1.1, and a client for it.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// Longest wait for the other side to say something.
const SILENCE: Duration = Duration::from_secs(10);

/// Longest wait for a connection to one address before the next one is tried.
const CONNECT: Duration = Duration::from_secs(5);

/// Most bytes read of a request or an answer: a lab's pages are a few lines.
const MESSAGE_BYTES_MAX: u64 = 1024 * 1024;

/// A page that was fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The status code.
    pub status: u16,
    /// The text behind the headers.
    pub body: String,
    /// The address that the name led to.
    pub from: SocketAddr,
}

/// Serves `body` at `address`, for every path, until the process ends.
///
/// # Errors
///
/// When the address cannot be bound or listening fails.
pub fn serve_page(address: SocketAddr, body: &str) -> Result<()> {
    let listener = TcpListener::bind(address).with_context(|| format!("binding {address}"))?;
    loop {
        let (stream, _) = listener.accept()?;
        // A visitor that went away is no reason to stop.
        let _ = answer(&stream, body);
    }
}

/// Fetches an `http://host[:port]/path` page; the host is resolved by the system, as a browser
/// would, and its addresses are tried in turn.
///
/// # Errors
///
/// When the URL is of another form, the name has no address, no address answers, or the answer is
/// not HTTP.
pub fn fetch(url: &str) -> Result<Page> {
    let (authority, path) = split_url(url)?;
    let (stream, from) = connect(authority)?;
    stream.set_read_timeout(Some(SILENCE))?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n");
    (&stream).write_all(request.as_bytes())?;
    let mut answer = String::new();
    (&stream).take(MESSAGE_BYTES_MAX).read_to_string(&mut answer).with_context(|| format!("reading from {from}"))?;
    let (status, body) = parse_answer(&answer).context("the answer is not HTTP")?;
    Ok(Page { status, body: body.to_owned(), from })
}

fn answer(mut stream: &TcpStream, body: &str) -> io::Result<()> {
    stream.set_read_timeout(Some(SILENCE))?;
    stream.set_write_timeout(Some(SILENCE))?;
    let request = BufReader::new(stream.take(MESSAGE_BYTES_MAX));
    for line in request.lines() {
        if line?.is_empty() {
            break;
        }
    }
    let length = body.len();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())
}

fn split_url(url: &str) -> Result<(&str, &str)> {
    let Some(rest) = url.strip_prefix("http://") else {
        bail!("not an http:// URL: {url}");
    };
    Ok(match rest.find('/') {
        Some(slash) => rest.split_at(slash),
        None => (rest, "/"),
    })
}

fn connect(authority: &str) -> Result<(TcpStream, SocketAddr)> {
    let mut failure = None;
    for address in resolve(authority)? {
        match TcpStream::connect_timeout(&address, CONNECT) {
            Ok(stream) => return Ok((stream, address)),
            Err(error) => failure = Some((address, error)),
        }
    }
    match failure {
        Some((address, error)) => Err(error).with_context(|| format!("connecting to {address}")),
        None => bail!("{authority} has no address"),
    }
}

fn resolve(authority: &str) -> Result<Vec<SocketAddr>> {
    /// The port of a URL that names none.
    const HTTP: u16 = 80;
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()))
        && !authority.ends_with(']');
    let addresses = if has_port {
        authority.to_socket_addrs()
    } else {
        let host = authority.trim_start_matches('[').trim_end_matches(']');
        (host, HTTP).to_socket_addrs()
    };
    Ok(addresses.with_context(|| format!("resolving {authority}"))?.collect())
}

fn parse_answer(answer: &str) -> Option<(u16, &str)> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let mut status_line = head.lines().next()?.split_whitespace();
    status_line.next().filter(|word| word.starts_with("HTTP/1."))?;
    Some((status_line.next()?.parse().ok()?, body))
}
