//! Every topic: its name, who writes it, who must have read a record before it may go.

use serde::{Deserialize, Serialize};

use crate::call::Priority;
use crate::slot::Slot;

/// A topic, free of its configured prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Topic {
    /// Commands of users.
    Registrations,
    /// Commands of bulk imports, in a lane of their own.
    RegistrationsBulk,
    /// A further intake, bound to one tenant: its number in the configured list.
    Intake(u16),
    /// Commands that came in on the wrong partition.
    Forwards,
    /// The planner's table, compacted.
    Index,
    /// Placements, revokes, seals of one slot.
    Bucket(Slot),
    /// Firings and recalls of one priority.
    Fires(Priority),
    /// What happened to firings and slots.
    Outcomes,
    /// Circuits, disabled endpoints, reservations, compacted.
    DispatchState,
    /// Given up, or not understood.
    DeadLetters,
    /// Final states and refusals, for users who ask.
    Results,
    /// Named endpoints, compacted.
    Endpoints,
    /// Tenants and their limits, compacted.
    Tenants,
    /// Named calendars, compacted.
    Calendars,
    /// Shard → address of its planner, compacted; beside them the workers' heartbeats, without value.
    Owners,
}

/// A stage that works as a consumer group with one core per shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Role {
    /// Registrations and outcomes → index and buckets.
    Planner,
    /// Buckets → fires.
    Trigger,
    /// Fires → calls and outcomes.
    Dispatcher,
    /// Outcomes → rows.
    Archive,
}

/// How a topic forgets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cleanup {
    /// Never by itself: `retention.ms=-1`; records below what all mandatory readers committed are
    /// deleted after the keep window.
    Drained,
    /// By key.
    Compacted,
    /// By age, in ms: for people and users, never part of the pipe.
    Aged(u64),
}

const DAY_MS: u64 = 86_400_000;

impl Topic {
    /// Every topic but the configured intakes, in pipe order.
    pub fn all() -> impl Iterator<Item = Self> {
        [
            Self::Registrations,
            Self::RegistrationsBulk,
            Self::Forwards,
            Self::Index,
        ]
        .into_iter()
        .chain(Slot::all().map(Self::Bucket))
        .chain(Priority::ALL.map(Self::Fires))
        .chain([
            Self::Outcomes,
            Self::DispatchState,
            Self::DeadLetters,
            Self::Results,
            Self::Endpoints,
            Self::Tenants,
            Self::Calendars,
            Self::Owners,
        ])
    }

    /// The name behind the prefix. An intake's name is configuration; this is its fallback.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Registrations => "registrations".to_owned(),
            Self::RegistrationsBulk => "registrations.bulk".to_owned(),
            Self::Intake(n) => format!("intake.{n}"),
            Self::Forwards => "forwards".to_owned(),
            Self::Index => "index".to_owned(),
            Self::Bucket(slot) => format!("bucket.{:02}", slot.0),
            Self::Fires(priority) => format!("fires.{}", priority.name()),
            Self::Outcomes => "outcomes".to_owned(),
            Self::DispatchState => "dispatch-state".to_owned(),
            Self::DeadLetters => "dead-letters".to_owned(),
            Self::Results => "results".to_owned(),
            Self::Endpoints => "endpoints".to_owned(),
            Self::Tenants => "tenants".to_owned(),
            Self::Calendars => "calendars".to_owned(),
            Self::Owners => "owners".to_owned(),
        }
    }

    /// How it forgets.
    #[must_use]
    pub fn cleanup(self) -> Cleanup {
        match self {
            Self::Registrations
            | Self::RegistrationsBulk
            | Self::Intake(_)
            | Self::Forwards
            | Self::Bucket(_)
            | Self::Fires(_)
            | Self::Outcomes => Cleanup::Drained,
            Self::Index
            | Self::DispatchState
            | Self::Endpoints
            | Self::Tenants
            | Self::Calendars
            | Self::Owners => Cleanup::Compacted,
            Self::DeadLetters => Cleanup::Aged(28 * DAY_MS),
            Self::Results => Cleanup::Aged(3 * DAY_MS),
        }
    }

    /// The roles that must have committed past a record before it may be deleted.
    #[must_use]
    pub fn readers(self) -> &'static [Role] {
        match self {
            Self::Registrations | Self::RegistrationsBulk | Self::Intake(_) | Self::Forwards => {
                &[Role::Planner]
            }
            Self::Bucket(_) => &[Role::Trigger],
            Self::Fires(_) => &[Role::Dispatcher],
            Self::Outcomes => &[Role::Planner, Role::Archive],
            Self::Index
            | Self::DispatchState
            | Self::DeadLetters
            | Self::Results
            | Self::Endpoints
            | Self::Tenants
            | Self::Calendars
            | Self::Owners => &[],
        }
    }
}

impl Role {
    /// The four, in flow order.
    pub const ALL: [Self; 4] = [
        Self::Planner,
        Self::Trigger,
        Self::Dispatcher,
        Self::Archive,
    ];

    /// As in configuration and consumer group names.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Planner => "planner",
            Self::Trigger => "trigger",
            Self::Dispatcher => "dispatcher",
            Self::Archive => "archive",
        }
    }

    /// The one topic its group subscribes to; its assignment decides the shards.
    #[must_use]
    pub fn driver_topic(self) -> Topic {
        match self {
            Self::Planner => Topic::Registrations,
            Self::Trigger => Topic::Bucket(Slot(0)),
            Self::Dispatcher => Topic::Fires(Priority::Normal),
            Self::Archive => Topic::Outcomes,
        }
    }
}
