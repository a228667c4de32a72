-- Occurrences of a recurring task that are not fired stand in one row a range: `occurrence` is the
-- first, `leg_due` the due time of the last.
ALTER TABLE firings ADD COLUMN occurrences BIGINT UNSIGNED NOT NULL DEFAULT 1;
