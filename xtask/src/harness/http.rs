//! One HTTP/1.1 request on a connection of its own: enough to talk to our own door.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const CONNECT_LIMIT: Duration = Duration::from_secs(2);
/// Longer than any `?wait` that claims use.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// Status and body of an answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub status: u16,
    pub body: String,
}

impl Answer {
    /// The body as JSON; `null` when it is none.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or(Value::Null)
    }
}

/// Sends one request and reads its answer to the end.
pub(crate) fn request(
    address: SocketAddr,
    method: &str,
    path: &str,
    body: Option<&str>,
) -> Result<Answer> {
    let asked = || format!("{method} http://{address}{path}");
    let mut stream = TcpStream::connect_timeout(&address, CONNECT_LIMIT).with_context(asked)?;
    stream.set_read_timeout(Some(ANSWER_LIMIT))?;
    stream.set_nodelay(true)?;
    let body = body.unwrap_or_default();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).with_context(asked)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).with_context(asked)?;
    parse(&answer).with_context(asked)
}

/// The sum of all lines of one metric in Prometheus's text, whatever their labels.
pub(crate) fn metric(text: &str, name: &str) -> f64 {
    let of = |line: &str| {
        let (series, value) = line.rsplit_once(' ')?;
        let is_it = series.split('{').next() == Some(name);
        is_it.then(|| value.parse::<f64>().ok()).flatten()
    };
    text.lines().filter_map(of).sum()
}

fn parse(answer: &[u8]) -> Result<Answer> {
    let text = String::from_utf8_lossy(answer);
    let (head, body) = text
        .split_once("\r\n\r\n")
        .context("answer has no end of headers")?;
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse::<u16>().ok());
    let Some(status) = status else {
        bail!("not an HTTP answer: `{head}`")
    };
    let chunked = head
        .to_ascii_lowercase()
        .contains("transfer-encoding: chunked");
    let body = if chunked {
        dechunk(body)
    } else {
        body.to_owned()
    };
    Ok(Answer { status, body })
}

fn dechunk(mut body: &str) -> String {
    let mut whole = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let Ok(size) = usize::from_str_radix(size.trim(), 16) else {
            break;
        };
        let Some(chunk) = rest.get(..size).filter(|_| size > 0) else {
            break;
        };
        whole.push_str(chunk);
        body = rest.get(size + 2..).unwrap_or_default();
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_summed_over_its_labels() {
        let text = "# HELP a_total x\na_total{shard=\"0\"} 2\na_total{shard=\"1\"} 3.5\na_total_b 9\nb 1\n";
        assert_eq!(metric(text, "a_total"), 5.5);
    }

    #[test]
    fn answers_are_read_whole_or_in_chunks() {
        let cases = [
            (
                "HTTP/1.1 202 Accepted\r\ncontent-length: 2\r\n\r\n{}",
                202,
                "{}",
            ),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
                200,
                "abcde",
            ),
        ];
        for (text, status, body) in cases {
            let answer = parse(text.as_bytes()).expect("parses");
            assert_eq!((answer.status, answer.body.as_str()), (status, body));
        }
    }
}
