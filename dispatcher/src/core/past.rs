//! What a process knows of calls whose outcomes no committed turn tells: handed from a core to its
//! successor in the same process, so that what was called once is not called again.
//!
//! It is true whoever owned the shard meanwhile: a fire that stands in its lane unanswered has no
//! outcome, so an answer that is known here may be that outcome.

use std::collections::BTreeMap;

use schemas::Millis;

use super::lane::Name;
use super::share::LANES;
use crate::event::{Input, Reply, Token};

/// Calls of one shard, by lane and offset.
#[derive(Debug, Default)]
pub(crate) struct Past {
    pub(crate) lanes: [BTreeMap<i64, PastCall>; LANES],
}

/// A call that one of the cores before ordered.
#[derive(Debug)]
pub(crate) struct PastCall {
    /// Whose.
    pub(crate) name: Name,
    /// The number of the core that ordered it.
    pub(crate) core: u32,
    /// What came of it, if that is known.
    pub(crate) answer: Option<Answered>,
}

/// What came of a call.
#[derive(Clone, Debug)]
pub(crate) struct Answered {
    pub(crate) reply: Reply,
    pub(crate) began_at: Millis,
    pub(crate) ended_at: Millis,
}

impl Past {
    /// Takes what came of a call while no core is there; `false` where no such call is open.
    pub(crate) fn handle_input(&mut self, input: Input) -> bool {
        let lane = usize::from(input.token().lane);
        let calls = self.lanes.get_mut(lane);
        calls.is_some_and(|calls| handle_input(calls, input))
    }

    /// Whether nothing is known.
    pub(crate) fn is_empty(&self) -> bool {
        self.lanes.iter().all(BTreeMap::is_empty)
    }
}

/// Takes what came of a call whose fire no core has at hand; `false` where no such call is open.
pub(crate) fn handle_input(calls: &mut BTreeMap<i64, PastCall>, input: Input) -> bool {
    let token = input.token();
    let open = |call: &&mut PastCall| call.core == token.core && call.answer.is_none();
    let Some(call) = calls.get_mut(&token.offset).filter(open) else {
        return false;
    };
    match input {
        Input::NotBegun { token } => {
            calls.remove(&token.offset);
        }
        Input::Answered {
            reply,
            began_at,
            ended_at,
            ..
        } => {
            call.answer = Some(Answered {
                reply,
                began_at,
                ended_at,
            });
        }
    }
    true
}

impl Input {
    /// Of the order that it answers.
    pub(crate) fn token(&self) -> Token {
        match self {
            Self::Answered { token, .. } | Self::NotBegun { token } => *token,
        }
    }
}
