-- What happened on each day on all contracts together, see read_models/days.py.
-- depends: reporting_0008_changes

-- migrate: apply

CREATE TABLE day_of_city_v1 (
    day date NOT NULL,
    partition integer NOT NULL,
    pre_registered integer NOT NULL,
    entered integer NOT NULL,
    refused integer NOT NULL,
    exited integer NOT NULL,
    PRIMARY KEY (day, partition)
) WITH (fillfactor = 50);

DO $$
DECLARE
    app_role text := regexp_replace(current_user, '_owner$', '');
BEGIN
    IF app_role <> current_user THEN
        EXECUTE format('GRANT SELECT, INSERT, UPDATE ON day_of_city_v1 TO %I', app_role);
    END IF;
END
$$;

-- migrate: rollback
DROP TABLE day_of_city_v1;
