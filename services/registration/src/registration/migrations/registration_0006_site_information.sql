-- What a site holds ready, each time it was told, and who is or was on it.
-- depends: registration_0005_closed_by_exit

-- migrate: apply

CREATE TABLE supply_count_v1 (
    contract_no text NOT NULL,
    version bigint NOT NULL,
    told text NOT NULL CHECK (told IN ('submitted', 'counted')),
    supplies text NOT NULL,
    counted_at timestamptz NOT NULL,
    PRIMARY KEY (contract_no, version)
);

CREATE TABLE presence_v1 (
    contract_no text NOT NULL,
    person_id uuid NOT NULL,
    inside boolean NOT NULL,
    left_at timestamptz,
    PRIMARY KEY (contract_no, person_id)
) WITH (fillfactor = 80);

DO $$
DECLARE
    app_role text := regexp_replace(current_user, '_owner$', '');
BEGIN
    IF app_role <> current_user THEN
        EXECUTE format('GRANT SELECT, INSERT, UPDATE ON supply_count_v1, presence_v1 TO %I', app_role);
    END IF;
END
$$;

-- migrate: rollback
DROP TABLE presence_v1, supply_count_v1;
