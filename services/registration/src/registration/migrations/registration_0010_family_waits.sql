-- Who comes along with whom, with forms that wait for a declaration (personal data stands here sealed).
-- depends: registration_0009_review_items

-- migrate: apply

-- family_member_v1 stays: the release before this one projects into it.
CREATE TABLE family_member_v2 (
    contract_no text NOT NULL,
    person_id uuid NOT NULL,
    accompanies uuid NOT NULL,
    state text NOT NULL CHECK (state IN ('awaiting', 'open', 'withdrawn')),
    relation text,
    declaration_version integer,
    document_type text NOT NULL,
    document text NOT NULL,
    name text NOT NULL,
    name_fingerprint text NOT NULL,
    mobile text,
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (contract_no, person_id)
) WITH (fillfactor = 80);
CREATE INDEX family_member_v2_accompanied ON family_member_v2 (contract_no, accompanies);
CREATE INDEX family_member_v2_awaiting ON family_member_v2 (person_id) WHERE state = 'awaiting';

DO $$
DECLARE
    app_role text := regexp_replace(current_user, '_owner$', '');
BEGIN
    IF app_role <> current_user THEN
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON family_member_v2 TO %I', app_role);
    END IF;
END
$$;

-- migrate: rollback
DROP TABLE family_member_v2;
