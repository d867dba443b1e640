-- Every report by itself, so that a corrected one can be left out, see read_models/missing_reports.py.
-- depends: health_0006_isolation_ends

-- migrate: apply

CREATE TABLE followed_person_v2 (
    contract_no text NOT NULL,
    person_id uuid NOT NULL,
    expected_since timestamptz,
    entered_at timestamptz,
    left_at timestamptz,
    PRIMARY KEY (contract_no, person_id)
);

CREATE TABLE reported_v2 (
    person_id uuid NOT NULL,
    report_id uuid NOT NULL,
    day date NOT NULL,
    PRIMARY KEY (person_id, report_id)
);
CREATE INDEX reported_v2_day ON reported_v2 (person_id, day);

DO $$
DECLARE
    app_role text := regexp_replace(current_user, '_owner$', '');
BEGIN
    IF app_role <> current_user THEN
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON followed_person_v2, reported_v2 TO %I', app_role);
    END IF;
END
$$;

-- migrate: rollback
DROP TABLE reported_v2;
DROP TABLE followed_person_v2;
