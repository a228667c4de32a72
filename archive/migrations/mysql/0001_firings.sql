-- One row a firing: its last leg. `day` is the day it was due, in days since 1970-01-01 (UTC). Rows
-- lie in the order of their due times: what is written together lies together, whatever the ids.
CREATE TABLE firings (
    fire_id       BINARY(16)   NOT NULL,
    day           INT          NOT NULL,
    tenant        VARCHAR(64)  CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    task          VARCHAR(256) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    version       BIGINT UNSIGNED NOT NULL,
    occurrence    BIGINT UNSIGNED NOT NULL,
    state         VARCHAR(16)  CHARACTER SET ascii NOT NULL,
    attempt       INT UNSIGNED NOT NULL,
    due           BIGINT       NOT NULL,
    leg_due       BIGINT       NOT NULL,
    registered_at BIGINT       NOT NULL,
    planted_at    BIGINT       NULL,
    triggered_at  BIGINT       NULL,
    received_at   BIGINT       NULL,
    began_at      BIGINT       NULL,
    ended_at      BIGINT       NOT NULL,
    status        SMALLINT UNSIGNED NULL,
    error         TEXT         CHARACTER SET utf8mb4 NULL,
    leg           INT UNSIGNED NOT NULL,
    PRIMARY KEY (due, fire_id, day),
    KEY firings_of_task (tenant, task, due)
) PARTITION BY RANGE (day) (PARTITION pmax VALUES LESS THAN MAXVALUE);

-- One row an attempt that failed and was followed by another; the last one is its firing's row.
CREATE TABLE attempts (
    fire_id  BINARY(16)   NOT NULL,
    day      INT          NOT NULL,
    leg      INT UNSIGNED NOT NULL,
    attempt  INT UNSIGNED NOT NULL,
    state    VARCHAR(16)  CHARACTER SET ascii NOT NULL,
    leg_due  BIGINT       NOT NULL,
    began_at BIGINT       NULL,
    ended_at BIGINT       NOT NULL,
    status   SMALLINT UNSIGNED NULL,
    error    TEXT         CHARACTER SET utf8mb4 NULL,
    PRIMARY KEY (fire_id, leg, day)
) PARTITION BY RANGE (day) (PARTITION pmax VALUES LESS THAN MAXVALUE);
