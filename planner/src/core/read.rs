//! Questions: answered at once, from the last commit.

use schemas::answer::{ListPage, ListQuery, MovedView, SweepView};
use schemas::index::{SweepWork, TaskRow, named, parse_name};
use schemas::{FiringPart, RequestId, TaskKey, TaskView};

use super::overlay::after;
use super::{Life, PlannerCore};
use crate::event::{Effect, Input, Reply};
use crate::query::{backfill_view, matches, state_of, view};
use crate::store::Store;

/// Tasks on one page at most.
const LARGEST_PAGE: usize = 500;
/// Live firings of a recurring task, or shares of a broadcast, that are shown.
const MOST_SHOWN: usize = 20;

impl<S: Store> PlannerCore<S> {
    pub(super) fn read(&mut self, input: Input) {
        let running = matches!(self.life, Life::Running);
        let (token, reply) = match input {
            Input::Busy => return self.putting_off.busy(self.now),
            Input::Get { token, .. }
            | Input::List { token, .. }
            | Input::Sweep { token, .. }
            | Input::Calendar { token, .. }
            | Input::Calendars { token, .. }
                if !running =>
            {
                (token, Reply::NotYet)
            }
            Input::Sweep { id, token } => (token, Reply::Sweep(self.sweep_view(id).map(Box::new))),
            Input::Get { task, token } => (token, Reply::Task(self.get(&task).map(Box::new))),
            Input::List { query, token } => (token, Reply::Page(self.list(&query))),
            Input::Calendar { calendar, token } => {
                let view = self.get_calendar(&calendar).map(Box::new);
                (token, Reply::Calendar(view))
            }
            Input::Calendars { query, token } => {
                (token, Reply::Calendars(self.list_calendars(&query)))
            }
        };
        self.effects.push_back(Effect::Reply { token, reply });
    }

    /// How a command on many tasks stands here, as of the last commit.
    pub fn sweep_view(&mut self, id: RequestId) -> Option<SweepView> {
        let rows = self.table.sweeps().into_iter().rev();
        rows.filter(|(_, row)| row.id == id).find_map(|(_, row)| {
            let SweepWork::Command { op, tag } = row.work else {
                return None;
            };
            Some(SweepView {
                op,
                tenant: row.tenant?,
                tag,
                begun_at: row.begun_at,
                ended_at: row.ended_at,
                count: row.count,
            })
        })
    }

    /// One task as of the last commit.
    pub fn get(&mut self, task: &TaskKey) -> Option<TaskView> {
        let (row, definition) = self.table.load_committed(task)?;
        let definition = schemas::index::decode_definition(&definition);
        let definition = self.table.understood(definition)?;
        let live = self.live_firings(task, &row);
        let mut view = view(task, &row, &live, &definition);
        view.moved = self.moved(task, &row);
        let backfills = self.table.backfills_of(task).into_iter();
        view.backfills = backfills.map(|row| backfill_view(&row)).collect();
        for wait in &mut view.waits_for {
            let needed = task.sibling(&wait.step);
            let needed = needed.and_then(|key| self.table.load_committed(&key));
            wait.state = needed.map(|(row, _)| state_of(&row));
        }
        Some(view)
    }

    /// What other time zone data did to a recurring task, unless it was registered or changed since.
    fn moved(&mut self, task: &TaskKey, row: &TaskRow) -> Option<MovedView> {
        row.series.as_ref()?;
        let moved = self.table.committed_moved(task)?;
        (moved.at >= row.registered_at).then_some(MovedView {
            before: moved.before,
            after: moved.after,
            tzdata_before: moved.tzdata_before,
            tzdata: moved.tzdata,
            at: moved.at,
        })
    }

    fn live_firings(&mut self, task: &TaskKey, row: &TaskRow) -> Vec<(FiringPart, TaskRow)> {
        let shares = row.shares.is_some();
        if shares || row.series.is_some() {
            self.table.committed_firings(task, shares, MOST_SHOWN)
        } else {
            Vec::new()
        }
    }

    /// A part of a tenant's tasks as of the last commit: at most so many rows are looked at.
    pub fn list(&mut self, query: &ListQuery) -> ListPage {
        let nothing = ListPage {
            tasks: Vec::new(),
            next: None,
        };
        let Some(tenant) = &query.tenant else {
            return nothing;
        };
        let prefix = |end: u8| [b"t", tenant.as_str().as_bytes(), &[end]].concat();
        let from = match &query.after {
            Some(id) => after(&named(
                b't',
                &TaskKey {
                    tenant: tenant.clone(),
                    id: id.clone(),
                },
            ))
            .to_vec(),
            None => prefix(0),
        };
        let most = self.config.list_rows;
        let rows = self.table.committed_scan(&from, &prefix(1), most);
        let mut page = nothing;
        let (mut last, looked) = (None, rows.len());
        for (key, value) in rows {
            if page.tasks.len() >= query.limit.clamp(1, LARGEST_PAGE) {
                page.next = last;
                return page;
            }
            let Some(task) = key.get(1..).and_then(parse_name) else {
                continue;
            };
            last = Some(task.id.clone());
            let Some((row, definition)) = self.table.committed_row(&task, &value) else {
                continue;
            };
            let definition = schemas::index::decode_definition(&definition);
            if let Some(definition) = self.table.understood(definition)
                && matches(query, &row, &definition)
            {
                let moved = self.moved(&task, &row);
                if query.moved && moved.is_none() {
                    continue;
                }
                let live = self.live_firings(&task, &row);
                let view = view(&task, &row, &live, &definition);
                page.tasks.push(TaskView { moved, ..view });
            }
        }
        if looked >= most {
            page.next = last;
        }
        page
    }
}
