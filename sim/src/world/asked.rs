//! What cores ask for: calls, rows, answers.

use archive::Row;
use dispatcher::{CallOrder, Input, Reply};
use rand::Rng;
use schemas::{CommandAnswer, Millis, RequestId, Shard};

use super::{Happening, World};
use crate::endpoint;
use crate::history::{Answered, Called};
use crate::kinds::{Asked, Told};
use crate::planted::Bug;

/// What [`Bug::FastClock`] adds to a dispatcher's clock, ms.
pub(super) const FAST_MS: i64 = 400;

/// A call, about to begin.
#[derive(Debug)]
pub(super) struct Beginning {
    worker: usize,
    life: u32,
    shard: Shard,
    order: CallOrder,
}

/// Rows, about to reach the database.
#[derive(Debug)]
pub(super) struct Writing {
    worker: usize,
    life: u32,
    shard: Shard,
    batch: u64,
    rows: Vec<Row>,
    /// The answer is lost, though they are written.
    unanswered: bool,
}

impl World {
    pub(super) fn take_asked(&mut self, worker: usize, shard: Shard, asked: Asked) {
        let now = self.clock.elapsed();
        let life = self.workers[worker].actor.life();
        match asked {
            Asked::Call(order) => {
                let beginning = Beginning {
                    worker,
                    life,
                    shard,
                    order,
                };
                // What is on the agenda of this very ms would happen in the next.
                match self.plan.sends_within_ms {
                    0 => self.begin(beginning),
                    most => {
                        let at = now + self.rng.random_range(0..=most);
                        self.schedule(at, Happening::Begin(Box::new(beginning)));
                    }
                }
            }
            Asked::Write { batch, rows } => {
                let unanswered = !self.plan.faults.is_empty() && self.rng.random_bool(0.02);
                let writing = Writing {
                    worker,
                    life,
                    shard,
                    batch,
                    rows,
                    unanswered,
                };
                let at = now + self.rng.random_range(0..30);
                self.schedule(at, Happening::Write(writing));
            }
            Asked::Answer(request, answer) => self.answered(request, answer),
        }
    }

    fn answered(&mut self, request: RequestId, mut answer: CommandAnswer) {
        if self.plan.bug == Some(Bug::FalseCancel) && answer == CommandAnswer::TooLate {
            answer = CommandAnswer::Cancelled;
        }
        self.trace
            .line(format_args!("answer {} {answer:?}", request.0));
        let at = self.clock.elapsed();
        self.history
            .answers
            .entry(request)
            .or_default()
            .push(Answered { at, answer });
    }

    /// A call leaves its process, unless that is dead or stands still.
    pub(super) fn begin(&mut self, beginning: Beginning) {
        let now = self.clock.elapsed();
        let being = &self.workers[beginning.worker];
        if being.actor.life() != beginning.life || !being.alive {
            return;
        }
        if being.stalled_until > now {
            let at = being.stalled_until;
            self.schedule(at, Happening::Begin(Box::new(beginning)));
            return;
        }
        let Beginning {
            worker,
            life,
            shard,
            order,
        } = beginning;
        let clock = being.actor.now();
        if clock.mono >= order.begin_by {
            let told = Told::Call(Input::NotBegun { token: order.token });
            self.schedule(
                now,
                Happening::Tell {
                    worker,
                    life,
                    shard,
                    told,
                },
            );
            return;
        }
        self.call(worker, &order, clock.wall);
        if self.plan.bug == Some(Bug::CallTwice) && self.history.calls.len().is_multiple_of(3) {
            self.call(worker, &order, clock.wall);
        }
        let (takes, reply) = endpoint::answer(&order, &mut self.rng);
        let told = Told::Call(Input::Answered {
            token: order.token,
            reply: reply.clone(),
            began_at: clock.wall,
            ended_at: clock.wall.plus(takes),
        });
        if let Reply::Status { status, .. } = reply {
            self.trace.note(format_args!(
                "{} will be {status} in {takes} ms",
                order.fire.fire_id
            ));
        }
        self.schedule(
            now + takes,
            Happening::Tell {
                worker,
                life,
                shard,
                told,
            },
        );
    }

    fn call(&mut self, worker: usize, order: &CallOrder, wall: Millis) {
        let (fire, work) = (&order.fire, &order.work);
        let fast = self.plan.bug == Some(Bug::FastClock);
        let began_at = if fast { Millis(wall.0 - FAST_MS) } else { wall };
        self.trace.line(format_args!(
            "call {} {} leg {} attempt {} by {}",
            work.task,
            fire.fire_id,
            fire.leg,
            work.attempt,
            self.workers[worker].actor.name()
        ));
        self.history.calls.push(Called {
            at: self.clock.elapsed(),
            worker,
            began_at,
            fire_due: fire.due,
            due: work.due,
            task: work.task.clone(),
            version: work.version,
            fire_id: fire.fire_id,
            leg: fire.leg,
            part: work.part,
            shards: work.shards,
            attempt: work.attempt,
            registered_at: work.registered_at,
            payload: order.payload.clone(),
        });
    }

    /// Rows reach the database, whatever became of who sent them.
    pub(super) fn write(&mut self, writing: Writing) {
        let now = self.clock.elapsed();
        let Writing {
            worker,
            life,
            shard,
            batch,
            mut rows,
            unanswered,
        } = writing;
        let away = self.table.away_until > now;
        let unavailable = |reason: &str| {
            Told::Rows(archive::Input::Unavailable {
                batch,
                reason: reason.to_owned(),
            })
        };
        let told = if away {
            unavailable("the database is away")
        } else {
            if self.plan.bug == Some(Bug::LostRow) {
                rows.pop();
            }
            self.table.write(rows);
            if unanswered {
                unavailable("the connection was lost")
            } else {
                Told::Rows(archive::Input::Written { batch })
            }
        };
        self.schedule(
            now + 1,
            Happening::Tell {
                worker,
                life,
                shard,
                told,
            },
        );
    }
}
