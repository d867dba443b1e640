-- Entries on paper against the rules, and what came of them, see read_models/paper_entries.py.
-- depends: gatekeeper_0004_contract_places

-- migrate: apply

CREATE TABLE paper_entry_v1 (
    attempt_id uuid PRIMARY KEY,
    person_id uuid NOT NULL,
    contract_no text NOT NULL,
    shard smallint NOT NULL,
    pos bigint NOT NULL,
    at timestamptz NOT NULL,
    finding text,
    measure text,
    settled_by text,
    settled_at timestamptz
);
CREATE INDEX paper_entry_v1_place ON paper_entry_v1 (shard, pos);
CREATE INDEX paper_entry_v1_person ON paper_entry_v1 (person_id);
CREATE INDEX paper_entry_v1_latest ON paper_entry_v1 (at, shard, pos);
CREATE INDEX paper_entry_v1_open ON paper_entry_v1 (at, shard, pos) WHERE settled_at IS NULL;

DO $$
DECLARE
    app_role text := regexp_replace(current_user, '_owner$', '');
BEGIN
    IF app_role <> current_user THEN
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON paper_entry_v1 TO %I', app_role);
    END IF;
END
$$;

-- migrate: rollback
DROP TABLE paper_entry_v1;
