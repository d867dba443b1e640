-- What registration is asked, see read_models/ (personal data stands here sealed), and the keys of roster imports.
-- depends:

-- migrate: apply

-- The latest declaration of each person.
CREATE TABLE declaration_v1 (
    person_id uuid PRIMARY KEY,
    version integer NOT NULL,
    name_fingerprint text NOT NULL,
    mobile text,
    pinned text NOT NULL
) WITH (fillfactor = 80);

-- Whom the gate ever admitted where.
CREATE TABLE entry_v1 (
    contract_no text NOT NULL,
    person_id uuid NOT NULL,
    PRIMARY KEY (contract_no, person_id)
);

-- Who is expected, waits for a declaration, or was withdrawn.
CREATE TABLE pre_registration_v1 (
    contract_no text NOT NULL,
    person_id uuid NOT NULL,
    state text NOT NULL CHECK (state IN ('awaiting', 'open', 'withdrawn')),
    person_kind text NOT NULL,
    trade text,
    employer_credit_code text NOT NULL,
    origin_code text NOT NULL,
    arrival_date date,
    declaration_version integer,
    document_type text NOT NULL,
    document text NOT NULL,
    name text NOT NULL,
    name_fingerprint text,
    mobile text,
    complete boolean NOT NULL,
    taken_up boolean NOT NULL,
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (contract_no, person_id)
) WITH (fillfactor = 80);
CREATE INDEX pre_registration_v1_latest ON pre_registration_v1 (contract_no, changed_at, person_id);
CREATE INDEX pre_registration_v1_awaiting ON pre_registration_v1 (person_id) WHERE state = 'awaiting';

DO $$
DECLARE
    app_role text := regexp_replace(current_user, '_owner$', '');
BEGIN
    IF app_role <> current_user THEN
        EXECUTE format('GRANT SELECT, INSERT, UPDATE ON declaration_v1, entry_v1, pre_registration_v1 TO %I', app_role);
        -- The release before keeps the keys of imports by chassis/remembered.py, this one does not, and the next takes the right away.
        EXECUTE format('GRANT INSERT (principal, key, body_hash), UPDATE (answer) ON remembered_answer TO %I', app_role);
    END IF;
END
$$;

-- migrate: rollback
DROP TABLE pre_registration_v1, entry_v1, declaration_v1;
