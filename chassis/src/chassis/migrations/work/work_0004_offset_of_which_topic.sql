-- An offset means something in one topic only. In another of the same name it may skip events without leaving a hole.
-- depends: work_0003_topics_relayed

-- migrate: apply

-- Empty where it is not known: then reading begins at the beginning.
ALTER TABLE next_offset ADD COLUMN topic_id text NOT NULL DEFAULT '';

-- migrate: rollback
ALTER TABLE next_offset DROP COLUMN topic_id;
