-- Who changed what is known of somebody, see read_models/changes.py. Accounts and codes only.
-- depends: reporting_0006_days

-- migrate: apply

CREATE TABLE change_v1 (
    person_id uuid NOT NULL,
    service text NOT NULL,
    version bigint NOT NULL,
    at timestamptz NOT NULL,
    kind text NOT NULL,
    account text,
    role text,
    proposed_by text,
    contract_no text,
    PRIMARY KEY (person_id, service, version)
);

DO $$
DECLARE
    app_role text := regexp_replace(current_user, '_owner$', '');
BEGIN
    IF app_role <> current_user THEN
        EXECUTE format('GRANT SELECT, INSERT, UPDATE ON change_v1 TO %I', app_role);
    END IF;
END
$$;

-- migrate: rollback
DROP TABLE change_v1;
