-- How many were pre-registered, admitted, refused and left on each contract on each day, see read_models/days.py.
-- depends: reporting_0005_exports

-- migrate: apply

CREATE TABLE day_v1 (
    contract_no text NOT NULL,
    day date NOT NULL,
    partition integer NOT NULL,
    pre_registered integer NOT NULL,
    entered integer NOT NULL,
    refused integer NOT NULL,
    exited integer NOT NULL,
    PRIMARY KEY (contract_no, day, partition)
) WITH (fillfactor = 50);

CREATE INDEX day_v1_by_day ON day_v1 (day);

DO $$
DECLARE
    app_role text := regexp_replace(current_user, '_owner$', '');
BEGIN
    IF app_role <> current_user THEN
        EXECUTE format('GRANT SELECT, INSERT, UPDATE ON day_v1 TO %I', app_role);
    END IF;
END
$$;

-- migrate: rollback
DROP TABLE day_v1;
