-- Who supervises a contract, and where somebody is on site, see read_models/banned_on_site.py.
-- depends: gatekeeper_0003_adopted_policies

-- migrate: apply

CREATE TABLE contract_place_v1 (
    contract_no text PRIMARY KEY,
    station_name text NOT NULL,
    district text NOT NULL
);

-- From somebody who is banned to where he is.
CREATE INDEX roster_v1_on_site ON roster_v1 (person_id) WHERE on_site;

DO $$
DECLARE
    app_role text := regexp_replace(current_user, '_owner$', '');
BEGIN
    IF app_role <> current_user THEN
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON contract_place_v1 TO %I', app_role);
    END IF;
END
$$;

-- migrate: rollback
DROP INDEX roster_v1_on_site;
DROP TABLE contract_place_v1;
