-- Accounts of programs: who may have a token, with which role and scope.
-- depends:

-- migrate: apply

CREATE TABLE client (
    client_id text PRIMARY KEY,
    salt bytea NOT NULL,
    secret_hash bytea NOT NULL,
    role text NOT NULL,
    contracts text[] NOT NULL,
    stations text[] NOT NULL,
    districts text[] NOT NULL,
    employer_credit_code text,
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

DO $$
DECLARE
    app_role text := regexp_replace(current_user, '_owner$', '');
BEGIN
    IF app_role <> current_user THEN
        EXECUTE format('GRANT SELECT, INSERT, UPDATE ON client TO %I', app_role);
    END IF;
END
$$;

-- migrate: rollback
DROP TABLE client;
