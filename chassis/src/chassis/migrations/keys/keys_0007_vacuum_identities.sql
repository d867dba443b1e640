-- Whoever an erased person's documents led to goes from the disk as soon as keys do.
-- depends: keys_0006_other_keys

-- migrate: apply

-- The rows are dead until they are vacuumed, and their bytes stay in the file until another row needs the room or the table is
-- written anew (`VACUUM FULL`, docs/runbooks/end-of-epidemic.md). Until then they are in every base backup that is made.
ALTER TABLE identity SET (autovacuum_vacuum_threshold = 0, autovacuum_vacuum_scale_factor = 0);

-- migrate: rollback
ALTER TABLE identity RESET (autovacuum_vacuum_threshold, autovacuum_vacuum_scale_factor);
