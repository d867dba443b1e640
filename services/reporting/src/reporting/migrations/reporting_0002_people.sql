-- Who the people are that supervision counts, see read_models/employments.py, and who was revealed to whom.
-- depends: reporting_0001_supervision

-- migrate: apply

-- 用工查询: one row a person, contract and employer.
CREATE TABLE employment_v1 (
    contract_no text NOT NULL,
    person_id uuid NOT NULL,
    employer_credit_code text NOT NULL,
    person_kind text,
    trade text,
    registered boolean NOT NULL,
    PRIMARY KEY (contract_no, person_id, employer_credit_code)
);

-- For whom, and since when, somebody is on a contract now.
CREATE TABLE engagement_v1 (
    contract_no text NOT NULL,
    person_id uuid NOT NULL,
    pre_registered_for text,
    pre_registered_at timestamptz,
    registered_for text,
    entered_at timestamptz,
    PRIMARY KEY (contract_no, person_id)
) WITH (fillfactor = 80);

-- Document, name and mobile are sealed.
CREATE TABLE person_v1 (
    person_id uuid PRIMARY KEY,
    document_type text NOT NULL,
    document text NOT NULL,
    name text NOT NULL,
    mobile text
) WITH (fillfactor = 80);

-- What was decided about somebody. No row: nothing.
CREATE TABLE disposition_v1 (
    person_id uuid PRIMARY KEY,
    disposition text NOT NULL
);

-- Not a read model: nothing tells it anew.
CREATE TABLE reveal (
    reveal_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor text NOT NULL,
    role text NOT NULL,
    person_id uuid NOT NULL,
    contract_no text NOT NULL,
    reason_code text NOT NULL,
    reference text
);
CREATE INDEX reveal_of_person ON reveal (person_id, at);

CREATE INDEX membership_v1_of_person ON membership_v1 (person_id);

DO $$
DECLARE
    app_role text := regexp_replace(current_user, '_owner$', '');
BEGIN
    IF app_role <> current_user THEN
        EXECUTE format('GRANT SELECT, INSERT, UPDATE ON employment_v1, engagement_v1, person_v1, disposition_v1 TO %I', app_role);
        EXECUTE format('GRANT SELECT, INSERT ON reveal TO %I', app_role);
    END IF;
END
$$;

-- migrate: rollback
DROP INDEX membership_v1_of_person;
DROP TABLE reveal, disposition_v1, person_v1, engagement_v1, employment_v1;
