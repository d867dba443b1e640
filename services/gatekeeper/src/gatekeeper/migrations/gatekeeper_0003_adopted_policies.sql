-- By which policies the gate weighs reasons, see read_models/adopted_policies.py.
-- depends: gatekeeper_0002_attempts_and_roster

-- migrate: apply

CREATE TABLE adopted_policy_v1 (
    version bigint PRIMARY KEY,
    data bytea NOT NULL
);

DO $$
DECLARE
    app_role text := regexp_replace(current_user, '_owner$', '');
BEGIN
    IF app_role <> current_user THEN
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON adopted_policy_v1 TO %I', app_role);
    END IF;
END
$$;

-- migrate: rollback
DROP TABLE adopted_policy_v1;
