-- Which event stands at the last position that a subscriber has taken in: another one at that position is another history.
-- depends: work_0004_offset_of_which_topic

-- migrate: apply

-- NULL where it was taken in before this was kept.
ALTER TABLE position ADD COLUMN last_event_id uuid;

-- migrate: rollback
ALTER TABLE position DROP COLUMN last_event_id;
