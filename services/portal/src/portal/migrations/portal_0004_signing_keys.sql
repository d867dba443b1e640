-- Since when tokens are signed with a key, by its public id: see key_ages.py.
-- depends: portal_0003_sessions_at_a_gate

-- migrate: apply
CREATE TABLE signing_key (
    kid text PRIMARY KEY,
    first_used_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

DO $$
DECLARE
    app_role text := regexp_replace(current_user, '_owner$', '');
BEGIN
    IF app_role <> current_user THEN
        EXECUTE format('GRANT SELECT, INSERT ON signing_key TO %I', app_role);
    END IF;
END
$$;

-- migrate: rollback
DROP TABLE signing_key;
