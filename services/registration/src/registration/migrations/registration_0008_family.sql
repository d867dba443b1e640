-- Who comes along with whom (personal data stands here sealed).
-- depends: registration_0007_checklist_files

-- migrate: apply

CREATE TABLE family_member_v1 (
    contract_no text NOT NULL,
    person_id uuid NOT NULL,
    accompanies uuid NOT NULL,
    state text NOT NULL CHECK (state IN ('open', 'withdrawn')),
    relation text,
    declaration_version integer NOT NULL,
    document_type text NOT NULL,
    document text NOT NULL,
    name text NOT NULL,
    mobile text NOT NULL,
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (contract_no, person_id)
) WITH (fillfactor = 80);
CREATE INDEX family_member_v1_accompanied ON family_member_v1 (contract_no, accompanies);

DO $$
DECLARE
    app_role text := regexp_replace(current_user, '_owner$', '');
BEGIN
    IF app_role <> current_user THEN
        EXECUTE format('GRANT SELECT, INSERT, UPDATE ON family_member_v1 TO %I', app_role);
    END IF;
END
$$;

-- migrate: rollback
DROP TABLE family_member_v1;
