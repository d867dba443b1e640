-- How recent the gate's view of each partition is, see freshness.py.
-- depends:

-- migrate: apply

CREATE TABLE freshness (
    partition integer PRIMARY KEY,
    fresh_as_of timestamptz NOT NULL
) WITH (fillfactor = 50);

DO $$
DECLARE
    app_role text := regexp_replace(current_user, '_owner$', '');
BEGIN
    IF app_role <> current_user THEN
        EXECUTE format('GRANT SELECT, INSERT, UPDATE ON freshness TO %I', app_role);
    END IF;
END
$$;

-- migrate: rollback
DROP TABLE freshness;
