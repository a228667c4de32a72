//! What reaches the trigger from beside the log, and what leaves it there: nothing. Its whole world is
//! bucket topics in, lanes and outcomes out.

/// There is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {}

/// There is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {}
