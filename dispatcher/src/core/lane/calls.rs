//! What came of calls, and what of that a successor must know.

use std::collections::BTreeMap;
use std::sync::Arc;

use rand::Rng;
use schemas::{Millis, Work};

use super::{Lane, name};
use crate::core::outcome;
use crate::core::past::{self, Answered, PastCall};
use crate::event::{Input, Token};

impl Lane {
    /// What came last and is to be called later.
    pub(crate) fn take_coming(&mut self) -> Vec<Arc<Work>> {
        std::mem::take(&mut self.coming)
    }

    /// Takes the answer to an order, of this core or of one before it; `false` where it is none.
    pub(crate) fn handle_input(&mut self, input: Input, now: Millis, rng: &mut impl Rng) -> bool {
        let token = input.token();
        let attempt = self.attempts.get(&token.offset);
        if attempt.is_none_or(|attempt| attempt.called_by() != Some(token.core)) {
            return past::handle_input(&mut self.past, input);
        }
        match input {
            Input::Answered {
                token,
                reply,
                began_at,
                ended_at,
            } => {
                let answer = Answered {
                    reply,
                    began_at,
                    ended_at,
                };
                self.answered(token.offset, answer, now, rng);
            }
            Input::NotBegun { token } => self.take_back(token),
        }
        true
    }

    /// Ends the fires read back of which it is known what came of their call.
    pub(crate) fn end_known(&mut self, now: Millis, rng: &mut impl Rng) {
        for (offset, answer) in std::mem::take(&mut self.known) {
            self.answered(offset, answer, now, rng);
        }
    }

    /// A call that was ordered did not begin.
    pub(crate) fn take_back(&mut self, token: Token) {
        if let Some(attempt) = self.attempts.get_mut(&token.offset) {
            attempt.take_back();
            self.calls -= 1;
            self.hold.put(attempt.fire.due, token.offset);
        }
    }

    fn answered(&mut self, offset: i64, answer: Answered, now: Millis, rng: &mut impl Rng) {
        let Some(attempt) = self.attempts.get(&offset) else {
            return;
        };
        let Some(core) = attempt.called_by() else {
            return;
        };
        let verdict = outcome::judge(attempt, answer.reply.clone(), now, rng);
        let (began_at, ended_at) = (answer.began_at, answer.ended_at);
        let call = PastCall {
            name: name(&attempt.fire),
            core,
            answer: Some(answer),
        };
        self.untold.insert(offset, call);
        self.calls -= 1;
        let answer = Some(verdict.answer);
        self.end(offset, verdict.end, answer, Some(began_at), ended_at);
    }

    /// The turn cut last is durable.
    pub(crate) fn committed(&mut self) {
        self.telling.clear();
    }

    /// The calls whose outcomes no committed turn tells.
    pub(crate) fn into_past(self) -> BTreeMap<i64, PastCall> {
        let mut past = self.past;
        past.extend(self.untold);
        past.extend(self.telling);
        let called = self.attempts.into_iter();
        let known: BTreeMap<i64, Answered> = self.known.into_iter().collect();
        past.extend(called.filter_map(|(offset, attempt)| {
            let call = PastCall {
                name: name(&attempt.fire),
                core: attempt.called_by()?,
                answer: known.get(&offset).cloned(),
            };
            Some((offset, call))
        }));
        past
    }
}
