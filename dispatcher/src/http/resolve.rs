//! Names become addresses by the system's resolver, and only those that may be called.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper_util::client::legacy::connect::dns;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tower_service::Service;

use crate::guard::Guard;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// Resolves names by the system and lets no forbidden address through.
#[derive(Clone, Copy, Debug)]
pub(super) struct Guarded(pub(super) Guard);

impl Guarded {
    async fn find(self, name: &str) -> Result<std::vec::IntoIter<SocketAddr>, Error> {
        let host = Arc::<str>::from(name);
        let found = tokio::net::lookup_host((&*host, 0)).await?;
        let mut refused = None;
        let mut good = Vec::new();
        for address in found {
            match self.0.check(&host, address.ip()) {
                Ok(()) => good.push(address),
                Err(forbidden) => refused = Some(forbidden),
            }
        }
        match refused {
            Some(forbidden) if good.is_empty() => Err(forbidden.into()),
            _ => Ok(good.into_iter()),
        }
    }
}

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let this = *self;
        Box::pin(async move { Ok(Box::new(this.find(name.as_str()).await?) as Addrs) })
    }
}

impl Service<dns::Name> for Guarded {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: dns::Name) -> Self::Future {
        let this = *self;
        Box::pin(async move { this.find(name.as_str()).await })
    }
}
