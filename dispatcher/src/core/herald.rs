//! Which calls are told of before they begin, so that their connections are open by then.

use std::collections::HashMap;

use schemas::Millis;

/// Within so long a time, ms: less than connections stay open unused,
const SPAN_MS: u64 = 2_000;
/// a URL is told of so often at most: as many calls of one host begin without waiting for each other,
const MOST: u32 = 64;
/// and so many URLs are.
const URLS: usize = 1_024;

/// What was told of lately.
#[derive(Debug, Default)]
pub(crate) struct Herald {
    since: Millis,
    told: HashMap<String, u32>,
}

impl Herald {
    /// Whether a call of `url` is to be told of.
    pub(crate) fn tells(&mut self, url: &str, now: Millis) -> bool {
        if now.since(self.since) >= SPAN_MS {
            self.told.clear();
            self.since = now;
        }
        if let Some(told) = self.told.get_mut(url) {
            *told += 1;
            return *told <= MOST;
        }
        let tells = self.told.len() < URLS;
        if tells {
            self.told.insert(url.to_owned(), 1);
        }
        tells
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_told_of_now_and_then_and_many_urls_take_no_more_memory() {
        let mut herald = Herald::default();
        let mut count =
            |url: &str, now| (0..200).filter(|_| herald.tells(url, Millis(now))).count();
        assert_eq!(count("http://a/", 10_000), 64);
        assert_eq!(count("http://b/", 10_001), 64);
        assert_eq!(count("http://a/", 11_999), 0);
        assert_eq!(count("http://a/", 12_000), 64);
        let told = (0..2_000).filter(|n| herald.tells(&format!("http://{n}/"), Millis(12_001)));
        assert_eq!(told.count(), URLS - 1);
        assert_eq!(herald.told.len(), URLS);
    }
}
