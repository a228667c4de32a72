//! Records of `index`, the planner's table, and the answers it gives.
