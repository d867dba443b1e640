-- An exit closes a pre-registration; whoever comes back declares anew, and until he enters again it can be withdrawn.
-- depends: registration_0004_import_contracts

-- migrate: apply

DROP TABLE entry_v1, pre_registration_v1;

-- When the gate last admitted whom where.
CREATE TABLE entry_v2 (
    contract_no text NOT NULL,
    person_id uuid NOT NULL,
    entered_at timestamptz NOT NULL,
    PRIMARY KEY (contract_no, person_id)
) WITH (fillfactor = 80);

-- Who is expected, waits for a declaration, was withdrawn, or has left.
CREATE TABLE pre_registration_v2 (
    contract_no text NOT NULL,
    person_id uuid NOT NULL,
    state text NOT NULL CHECK (state IN ('awaiting', 'open', 'withdrawn', 'closed')),
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
    left_at timestamptz,
    left_with_version integer,
    taken_up boolean NOT NULL,
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (contract_no, person_id)
) WITH (fillfactor = 80);
CREATE INDEX pre_registration_v2_latest ON pre_registration_v2 (contract_no, changed_at, person_id);
CREATE INDEX pre_registration_v2_awaiting ON pre_registration_v2 (person_id) WHERE state = 'awaiting';

DO $$
DECLARE
    app_role text := regexp_replace(current_user, '_owner$', '');
BEGIN
    IF app_role <> current_user THEN
        EXECUTE format('GRANT SELECT, INSERT, UPDATE ON entry_v2 TO %I', app_role);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON pre_registration_v2 TO %I', app_role);
    END IF;
END
$$;

-- migrate: rollback
DROP TABLE pre_registration_v2, entry_v2;
CREATE TABLE entry_v1 (
    contract_no text NOT NULL,
    person_id uuid NOT NULL,
    PRIMARY KEY (contract_no, person_id)
);
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
        EXECUTE format('GRANT SELECT, INSERT, UPDATE ON entry_v1 TO %I', app_role);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON pre_registration_v1 TO %I', app_role);
    END IF;
END
$$;
