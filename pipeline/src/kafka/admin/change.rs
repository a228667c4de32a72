//! What differs.

use std::fmt;

/// One difference between a topic as it should be and as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is missing.
    Create {
        /// Its full name.
        topic: String,
        /// With so many partitions.
        partitions: i32,
        /// In so many copies.
        replication: i32,
    },
    /// A setting of it differs.
    Set {
        /// Its full name.
        topic: String,
        /// Which setting.
        key: &'static str,
        /// What it is.
        from: String,
        /// What it should be.
        to: String,
    },
    /// It cannot be mended by [`Admin::apply`].
    Beyond {
        /// Its full name.
        topic: String,
        /// What is wrong, and what a person can do.
        problem: String,
    },
}

impl Change {
    /// Whether [`Admin::apply`] does it.
    #[must_use]
    pub fn can_be_applied(&self) -> bool {
        !matches!(self, Self::Beyond { .. })
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create {
                topic,
                partitions,
                replication,
            } => write!(
                f,
                "{topic}: missing; to be made with {partitions} partitions, {replication} copies"
            ),
            Self::Set {
                topic,
                key,
                from,
                to,
            } => write!(f, "{topic}: {key} is {from}, not {to}"),
            Self::Beyond { topic, problem } => write!(f, "{topic}: {problem}"),
        }
    }
}
