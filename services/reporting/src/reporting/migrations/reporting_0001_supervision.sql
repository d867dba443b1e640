-- What supervision asks, see read_models/. No personal data.
-- depends:

-- migrate: apply

CREATE TABLE supervision_contract_v1 (
    contract_no text PRIMARY KEY,
    construction_no text NOT NULL,
    project_name text NOT NULL,
    general_contractor_credit_code text NOT NULL,
    general_contractor text NOT NULL,
    general_contractor_kind text NOT NULL,
    station_name text NOT NULL,
    district text NOT NULL
);

CREATE TABLE supervision_employer_v1 (
    contract_no text NOT NULL,
    credit_code text NOT NULL,
    name text NOT NULL,
    PRIMARY KEY (contract_no, credit_code)
);

-- What is known of one person on one contract. Needed to count nobody twice.
CREATE TABLE membership_v1 (
    contract_no text NOT NULL,
    person_id uuid NOT NULL,
    pre_registered boolean NOT NULL,
    registered boolean NOT NULL,
    inside boolean NOT NULL,
    left_at timestamptz,
    imported_on_site_at timestamptz,
    PRIMARY KEY (contract_no, person_id)
) WITH (fillfactor = 80);

-- People counted, one row for each partition that knows some: two partitions never wait for one row.
CREATE TABLE people_count_v1 (
    contract_no text NOT NULL,
    partition integer NOT NULL,
    pre_registered integer NOT NULL,
    registered integer NOT NULL,
    on_site integer NOT NULL,
    PRIMARY KEY (contract_no, partition)
) WITH (fillfactor = 50);

DO $$
DECLARE
    app_role text := regexp_replace(current_user, '_owner$', '');
BEGIN
    IF app_role <> current_user THEN
        EXECUTE format(
            'GRANT SELECT, INSERT, UPDATE ON supervision_contract_v1, supervision_employer_v1, membership_v1, people_count_v1 TO %I',
            app_role);
    END IF;
END
$$;

-- migrate: rollback
DROP TABLE people_count_v1, membership_v1, supervision_employer_v1, supervision_contract_v1;
