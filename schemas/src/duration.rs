//! Durations as text: a number with a unit (ms s m h d w), several in a row, or ISO 8601.
