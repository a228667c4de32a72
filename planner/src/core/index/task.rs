//! A task out of the table: its row, its definition, and the orders its row stands in.

use bytes::{Bytes, BytesMut};
use schemas::index::{
    INLINE_MAX, Phase, TableKey, TaskRow, Wish, named_part, parse_name_part, put_name, put_part,
};
use schemas::{FireId, FiringPart, Millis, TaskKey};

use super::relate::relations_of;
use crate::core::overlay::{LOOKED, REVOKED, WAITING, timed, timed_parts};

/// One task, or one firing of a recurring task, taken out to be changed and saved again.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    pub(crate) key: TaskKey,
    /// Which of its task's firings this is, if it is one with a row of its own.
    pub(crate) part: Option<FiringPart>,
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
    /// That of its recurring task, as of the version that planned the firing; of a share, that of its
    /// whole.
    Shared,
}

/// The key that a definition stands under, apart from its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// By the name of its row.
    Own,
    /// By the version that gave it to a recurring task.
    Version(u64),
}

/// What stands in the table for a task as it was loaded.
#[derive(Clone, Debug)]
pub(super) struct Was {
    pub(super) order: Order,
    pub(super) apart: Option<Place>,
    pub(super) plan_apart: bool,
    pub(super) successor_apart: bool,
    pub(super) relations: Vec<Bytes>,
}

/// The orders a row stands in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Order {
    /// By when it is to be planted, or, if it recurs or is a broadcast, looked at.
    pub(crate) waiting: Option<(u8, Millis)>,
    pub(super) ended: Option<Millis>,
    pub(super) revoked: Option<FireId>,
}

impl Order {
    pub(crate) fn of(row: &TaskRow) -> Self {
        let once = row.series.is_none() && row.shares.is_none();
        let waiting = match &row.shares {
            Some(shares) if row.series.is_none() => (LOOKED, shares.look_at),
            _ if once => (WAITING, row.firing.leg_due),
            _ => (LOOKED, row.firing.leg_due),
        };
        Self {
            waiting: (row.phase == Phase::Waiting).then_some(waiting),
            ended: match row.phase {
                Phase::Ended { at, .. } => Some(at),
                _ => None,
            },
            revoked: (once && row.revoking()).then_some(row.firing.fire_id),
        }
    }
}

/// Where the definition of a row stands, if apart from it.
pub(super) fn place_of(row: &TaskRow) -> Option<Place> {
    let place = match &row.series {
        Some(series) => Place::Version(series.defined),
        None => Place::Own,
    };
    row.apart.then_some(place)
}

/// The key of a definition.
pub(super) fn definition_key(key: &TaskKey, part: Option<FiringPart>, place: Place) -> Bytes {
    match place {
        Place::Own => named_part(b'd', key, part),
        Place::Version(version) => TableKey::Versioned(key.clone(), version).encode(),
    }
}

/// The key of a row.
pub(super) fn row_key(key: &TaskKey, part: Option<FiringPart>) -> Bytes {
    let prefix = if part.is_some() { b'k' } else { b't' };
    named_part(prefix, key, part)
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
            part: None,
            row,
            definition: DefinitionAt::Inline(Bytes::new()),
            was: instead.and_then(|task| task.was.clone()),
        };
        task.define(definition);
        task
    }

    /// A firing of a recurring task that is not in the table yet, with a definition of its own or that
    /// of its task.
    pub(crate) fn firing(
        key: TaskKey,
        part: FiringPart,
        row: TaskRow,
        definition: Option<Bytes>,
    ) -> Self {
        let mut task = Self {
            key,
            part: Some(part),
            row,
            definition: DefinitionAt::Shared,
            was: None,
        };
        if let Some(definition) = definition {
            task.define(definition);
        }
        task
    }

    /// Gives it another definition. That of a recurring task stands apart: its row is written often.
    pub(crate) fn define(&mut self, definition: Bytes) {
        self.row.apart = definition.len() > INLINE_MAX || self.row.series.is_some();
        self.definition = if self.row.apart {
            DefinitionAt::NewApart(definition)
        } else {
            DefinitionAt::Inline(definition)
        };
    }
}

/// As stored, with what stands apart of its wish put back.
pub(super) fn task_of(key: TaskKey, part: Option<FiringPart>, row: TaskRow, inline: Bytes) -> Task {
    let (plan_apart, successor_apart) = apart(row.wish.as_deref());
    let was = Some(Was {
        order: Order::of(&row),
        apart: place_of(&row),
        plan_apart,
        successor_apart,
        relations: relations_of(&key, &row),
    });
    let definition = match (row.apart, part) {
        (true, _) => DefinitionAt::Apart,
        (false, Some(_)) if inline.is_empty() => DefinitionAt::Shared,
        (false, _) => DefinitionAt::Inline(inline),
    };
    Task {
        key,
        part,
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

/// `prefix` time `sort` tenant 0 id, and which firing of it.
pub(crate) fn timed_key(
    prefix: u8,
    time: Millis,
    sort: u8,
    key: &TaskKey,
    part: Option<FiringPart>,
) -> Bytes {
    let mut name = BytesMut::with_capacity(64);
    name.extend_from_slice(&[sort]);
    put_name(&mut name, key);
    put_part(&mut name, part);
    timed(prefix, time, &name)
}

/// What a [`timed_key`] says.
pub(crate) struct Timed {
    pub(crate) time: Millis,
    pub(crate) sort: u8,
    pub(crate) key: TaskKey,
    pub(crate) part: Option<FiringPart>,
}

impl Timed {
    /// Reads a [`timed_key`].
    pub(crate) fn parse(key: &[u8]) -> Option<Self> {
        let (time, name) = timed_parts(key)?;
        let (sort, name) = name.split_first()?;
        let (key, part) = parse_name_part(name)?;
        Some(Self {
            time,
            sort: *sort,
            key,
            part,
        })
    }
}

pub(super) fn revoked_key(fire_id: FireId) -> Bytes {
    let mut out = BytesMut::with_capacity(17);
    out.extend_from_slice(&[REVOKED]);
    out.extend_from_slice(&fire_id.0);
    out.freeze()
}
