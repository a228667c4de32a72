//! The exceptions: `rule path reason…`, one a line; `#` begins a comment.

use super::Finding;
use anyhow::{Result, bail};

/// What `tidy.allow` says.
pub(super) struct Allowed(Vec<Exception>);

struct Exception {
    rule: String,
    path: String,
    line: usize,
}

impl Allowed {
    pub(super) fn parse(text: &str) -> Result<Self> {
        let mut exceptions = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let mut words = line.splitn(3, char::is_whitespace);
            let (Some(rule), Some(path), Some(_reason)) =
                (words.next(), words.next(), words.next())
            else {
                bail!("tidy.allow:{}: expected `rule path reason`", number + 1);
            };
            let (rule, path) = (rule.to_owned(), path.to_owned());
            exceptions.push(Exception {
                rule,
                path,
                line: number + 1,
            });
        }
        Ok(Self(exceptions))
    }

    /// Drops what is allowed; adds a finding for each exception that nothing needed.
    pub(super) fn filter(&self, findings: Vec<Finding>) -> Vec<Finding> {
        let matches = |exception: &Exception, finding: &Finding| {
            exception.rule == finding.rule && exception.path == finding.path
        };
        let unused = self
            .0
            .iter()
            .filter(|exception| !findings.iter().any(|finding| matches(exception, finding)))
            .map(|exception| Finding {
                rule: "allow",
                path: "xtask/tidy.allow".to_owned(),
                line: exception.line,
                what: format!("`{}` no longer breaks `{}`", exception.path, exception.rule),
            })
            .collect::<Vec<_>>();
        let mut left = findings;
        left.retain(|finding| !self.0.iter().any(|exception| matches(exception, finding)));
        left.extend(unused);
        left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(rule: &'static str, path: &str) -> Finding {
        Finding {
            rule,
            path: path.to_owned(),
            line: 0,
            what: String::new(),
        }
    }

    #[test]
    fn an_exception_covers_its_rule_and_file_only() {
        let allowed = Allowed::parse("# why\nlength a.rs one table\n").expect("parses");
        let left = allowed.filter(vec![finding("length", "a.rs"), finding("core", "a.rs")]);
        assert_eq!(left, [finding("core", "a.rs")]);
    }

    #[test]
    fn an_exception_that_nothing_needs_is_a_finding() {
        let allowed = Allowed::parse("length a.rs one table").expect("parses");
        let left = allowed.filter(Vec::new());
        assert_eq!(
            left.iter().map(|f| (f.rule, f.line)).collect::<Vec<_>>(),
            [("allow", 1)]
        );
    }

    #[test]
    fn an_exception_needs_a_reason() {
        assert!(Allowed::parse("length a.rs").is_err());
    }
}
