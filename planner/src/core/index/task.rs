//! A task out of the table: its row, its definition, and the orders its row stands in.

use bytes::{Bytes, BytesMut};
use schemas::index::{INLINE_MAX, Phase, TaskRow, Wish, parse_name, put_name};
use schemas::{FireId, Millis, TaskKey};

use super::relate::relations_of;
use crate::core::overlay::{REVOKED, timed, timed_parts};

/// One task, taken out to be changed and saved again.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    pub(crate) key: TaskKey,
    pub(crate) row: TaskRow,
    pub(super) definition: DefinitionAt,
    pub(super) was: Option<Was>,
}

#[derive(Clone, Debug)]
pub(super) enum DefinitionAt {
    /// Behind the row.
    Inline(Bytes),
    /// Under its own key, as stored.
    Apart,
    /// To be put under its own key.
    NewApart(Bytes),
}

/// What stands in the table for a task as it was loaded.
#[derive(Clone, Debug)]
pub(super) struct Was {
    pub(super) order: Order,
    pub(super) apart: bool,
    pub(super) plan_apart: bool,
    pub(super) successor_apart: bool,
    pub(super) relations: Vec<Bytes>,
}

/// The orders a row stands in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) waiting: Option<Millis>,
    pub(super) ended: Option<Millis>,
    pub(super) revoked: Option<FireId>,
}

impl Order {
    pub(super) fn of(row: &TaskRow) -> Self {
        Self {
            waiting: (row.phase == Phase::Waiting).then_some(row.firing.leg_due),
            ended: match row.phase {
                Phase::Ended { at, .. } => Some(at),
                _ => None,
            },
            revoked: row.revoking().then_some(row.firing.fire_id),
        }
    }
}

impl Task {
    /// A task that is not in the table yet, or takes the place of one.
    pub(crate) fn new(
        key: TaskKey,
        row: TaskRow,
        definition: Bytes,
        instead: Option<&Self>,
    ) -> Self {
        let mut task = Self {
            key,
            row,
            definition: DefinitionAt::Inline(Bytes::new()),
            was: instead.and_then(|task| task.was.clone()),
        };
        task.define(definition);
        task
    }

    /// Gives it another definition.
    pub(crate) fn define(&mut self, definition: Bytes) {
        self.row.apart = definition.len() > INLINE_MAX;
        self.definition = if self.row.apart {
            DefinitionAt::NewApart(definition)
        } else {
            DefinitionAt::Inline(definition)
        };
    }
}

/// As stored, with what stands apart of its wish put back.
pub(super) fn task_of(key: TaskKey, row: TaskRow, inline: Bytes) -> Task {
    let (plan_apart, successor_apart) = apart(row.wish.as_deref());
    let was = Some(Was {
        order: Order::of(&row),
        apart: row.apart,
        plan_apart,
        successor_apart,
        relations: relations_of(&key, &row),
    });
    let definition = if row.apart {
        DefinitionAt::Apart
    } else {
        DefinitionAt::Inline(inline)
    };
    Task {
        key,
        row,
        definition,
        was,
    }
}

/// Whether the definitions of a wish's plan and successor stand apart.
fn apart(wish: Option<&Wish>) -> (bool, bool) {
    let plan = wish.and_then(|wish| wish.plan.as_ref());
    let successor = wish.and_then(|wish| wish.successor.as_ref());
    (
        plan.is_some_and(|plan| plan.definition.is_empty()),
        successor.is_some_and(|successor| successor.definition.is_empty()),
    )
}

/// The definitions of a wish, its plan's and its successor's, each with its key's prefix.
pub(super) fn wished(row: &mut TaskRow) -> [(u8, Option<&mut Bytes>); 2] {
    match row.wish.as_deref_mut() {
        Some(Wish {
            plan, successor, ..
        }) => [
            (b'p', plan.as_mut().map(|plan| &mut plan.definition)),
            (b's', successor.as_mut().map(|next| &mut next.definition)),
        ],
        None => [(b'p', None), (b's', None)],
    }
}

/// `prefix` time `sort` tenant 0 id.
pub(crate) fn timed_key(prefix: u8, time: Millis, sort: u8, key: &TaskKey) -> Bytes {
    let mut name = BytesMut::with_capacity(64);
    name.extend_from_slice(&[sort]);
    put_name(&mut name, key);
    timed(prefix, time, &name)
}

/// The time, sort and task of a [`timed_key`].
pub(crate) fn timed_key_parts(key: &[u8]) -> Option<(Millis, u8, TaskKey)> {
    let (time, name) = timed_parts(key)?;
    let (sort, name) = name.split_first()?;
    Some((time, *sort, parse_name(name)?))
}

pub(super) fn revoked_key(fire_id: FireId) -> Bytes {
    let mut out = BytesMut::with_capacity(17);
    out.extend_from_slice(&[REVOKED]);
    out.extend_from_slice(&fire_id.0);
    out.freeze()
}
