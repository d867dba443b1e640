-- What stands at the last position that a subscriber has taken in, to the byte: with the same id a copy of the log may tell other facts.
-- depends: work_0007_seen_by_operators

-- migrate: apply

-- Of the event at `digest_pos`: of the last one only where that is `last_pos`. A release that does not keep it moves on without it.
ALTER TABLE position ADD COLUMN digest_pos bigint, ADD COLUMN last_digest bytea;

-- migrate: rollback
ALTER TABLE position DROP COLUMN digest_pos, DROP COLUMN last_digest;
