-- A crash of the database empties the table of workers, by which each of them notices it.
-- depends: work_0005_last_events

-- migrate: apply

-- Who lives says so every second: there is nothing to keep. Commits that were not synced may be gone after a crash, and what
-- a worker believes to be stored with them.
ALTER TABLE worker SET UNLOGGED;

-- migrate: rollback

ALTER TABLE worker SET LOGGED;
