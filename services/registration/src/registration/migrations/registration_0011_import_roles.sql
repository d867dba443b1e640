-- As what somebody handed a file in: its rows become facts in his name, long after he asked.
-- depends: registration_0010_family_waits

-- migrate: apply

-- NULL: handed in before this was kept.
ALTER TABLE import_file ADD COLUMN role text;

-- migrate: rollback
ALTER TABLE import_file DROP COLUMN role;
