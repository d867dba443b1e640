-- How many declarations each account looked up in its latest hour, see quota.py.
-- depends: healthcloud_bridge_0001_awaited

-- migrate: apply

CREATE TABLE lookup_count_v1 (
    account text PRIMARY KEY,
    hour timestamptz NOT NULL,
    lookups integer NOT NULL
) WITH (fillfactor = 70);

DO $$
DECLARE
    app_role text := regexp_replace(current_user, '_owner$', '');
BEGIN
    IF app_role <> current_user THEN
        EXECUTE format('GRANT SELECT, INSERT, UPDATE ON lookup_count_v1 TO %I', app_role);
    END IF;
END
$$;

-- migrate: rollback
DROP TABLE lookup_count_v1;
