//! Just enough of Kafka's protocol to know that a broker answers: one Metadata request.

use anyhow::{Context, Result, bail};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(2);
/// Metadata version 1: answered by every broker from 0.10 to 4.x.
const METADATA: [u8; 4] = [0, 3, 0, 1];

/// Asks the first address of a bootstrap list how many brokers the cluster has now.
pub(super) fn brokers(bootstrap: &str) -> Result<usize> {
    let first = bootstrap.split(',').next().unwrap_or(bootstrap);
    let address: SocketAddr = first
        .parse()
        .with_context(|| format!("address `{first}`"))?;
    let mut stream = TcpStream::connect_timeout(&address, LIMIT).context("connect")?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.set_write_timeout(Some(LIMIT))?;
    stream
        .write_all(&request())
        .context("send a metadata request")?;
    let mut size = [0; 4];
    stream
        .read_exact(&mut size)
        .context("read the size of the answer")?;
    let size = u32::from_be_bytes(size);
    if !(12..=1 << 20).contains(&size) {
        bail!("an answer of {size} bytes is not kafka's");
    }
    let mut answer = vec![0; size as usize];
    stream.read_exact(&mut answer).context("read the answer")?;
    broker_count(&answer)
}

fn request() -> Vec<u8> {
    let client = b"xtask";
    let mut body = Vec::from(METADATA);
    body.extend(7u32.to_be_bytes());
    body.extend((client.len() as u16).to_be_bytes());
    body.extend(client);
    // No topics.
    body.extend(0u32.to_be_bytes());
    let mut framed = Vec::from((body.len() as u32).to_be_bytes());
    framed.extend(body);
    framed
}

/// The answer: our number again, then an array of brokers.
fn broker_count(answer: &[u8]) -> Result<usize> {
    let (head, rest) = answer
        .split_first_chunk::<4>()
        .context("answer too short")?;
    if u32::from_be_bytes(*head) != 7 {
        bail!("the answer is to another request");
    }
    let (count, _) = rest.split_first_chunk::<4>().context("answer too short")?;
    Ok(u32::from_be_bytes(*count) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_framed_by_its_length() {
        let request = request();
        assert_eq!(request[..4], ((request.len() - 4) as u32).to_be_bytes());
    }

    #[test]
    fn counts_the_brokers_of_an_answer() {
        assert_eq!(broker_count(&[0, 0, 0, 7, 0, 0, 0, 3, 9, 9]).ok(), Some(3));
        assert!(broker_count(&[0, 0, 0, 8, 0, 0, 0, 3]).is_err());
        assert!(broker_count(&[0, 0]).is_err());
    }
}
