//! Ours against a walk that was written apart from it, and against other crates.

pub(crate) mod brute;
pub(crate) mod edges;
pub(crate) mod expression;
pub(crate) mod malformed;
pub(crate) mod others;
pub(crate) mod trial;
pub(crate) mod zones;

/// Twenty zones: both hemispheres, no clock changes, changes by half an hour and two hours, at midnight, in Ramadan.
pub(crate) const ZONES: [&str; 20] = [
    "UTC",
    "Europe/Paris",
    "Europe/London",
    "Europe/Dublin",
    "America/New_York",
    "America/Los_Angeles",
    "America/St_Johns",
    "America/Havana",
    "America/Santiago",
    "America/Asuncion",
    "America/Nuuk",
    "Asia/Shanghai",
    "Asia/Kathmandu",
    "Asia/Beirut",
    "Africa/Cairo",
    "Africa/Casablanca",
    "Australia/Lord_Howe",
    "Australia/Sydney",
    "Pacific/Chatham",
    "Antarctica/Troll",
];
