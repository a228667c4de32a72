-- One row a firing: its last leg. `day` is the day it was due, in days since 1970-01-01 (UTC). Rows
-- lie in the order of their due times: what is written together lies together, whatever the ids.
CREATE TABLE firings (
    fire_id       BLOB    NOT NULL,
    day           INTEGER NOT NULL,
    tenant        TEXT    NOT NULL,
    task          TEXT    NOT NULL,
    version       INTEGER NOT NULL,
    occurrence    INTEGER NOT NULL,
    state         TEXT    NOT NULL,
    attempt       INTEGER NOT NULL,
    due           INTEGER NOT NULL,
    leg_due       INTEGER NOT NULL,
    registered_at INTEGER NOT NULL,
    planted_at    INTEGER NULL,
    triggered_at  INTEGER NULL,
    received_at   INTEGER NULL,
    began_at      INTEGER NULL,
    ended_at      INTEGER NOT NULL,
    status        INTEGER NULL,
    error         TEXT    NULL,
    leg           INTEGER NOT NULL,
    PRIMARY KEY (due, fire_id, day)
) WITHOUT ROWID;
CREATE INDEX firings_of_task ON firings (tenant, task, due);

-- One row an attempt that failed and was followed by another; the last one is its firing's row.
CREATE TABLE attempts (
    fire_id  BLOB    NOT NULL,
    day      INTEGER NOT NULL,
    leg      INTEGER NOT NULL,
    attempt  INTEGER NOT NULL,
    state    TEXT    NOT NULL,
    leg_due  INTEGER NOT NULL,
    began_at INTEGER NULL,
    ended_at INTEGER NOT NULL,
    status   INTEGER NULL,
    error    TEXT    NULL,
    PRIMARY KEY (fire_id, leg, day)
) WITHOUT ROWID;
CREATE INDEX attempts_by_day ON attempts (day);
