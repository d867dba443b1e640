-- Who is followed on which contract, and who was measured on which day, see read_models/missing_reports.py.
-- depends: health_0002_in_force

-- migrate: apply

CREATE TABLE followed_person_v1 (
    contract_no text NOT NULL,
    person_id uuid NOT NULL,
    expected_since timestamptz,
    entered_at timestamptz,
    left_at timestamptz,
    PRIMARY KEY (contract_no, person_id)
);

CREATE TABLE reported_day_v1 (
    person_id uuid NOT NULL,
    day date NOT NULL,
    PRIMARY KEY (person_id, day)
);

DO $$
DECLARE
    app_role text := regexp_replace(current_user, '_owner$', '');
BEGIN
    IF app_role <> current_user THEN
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON followed_person_v1, reported_day_v1 TO %I', app_role);
    END IF;
END
$$;

-- migrate: rollback
DROP TABLE reported_day_v1;
DROP TABLE followed_person_v1;
