-- Read models write whole rows, whether or not they are there already: see chassis/tables.py.
-- depends: police_bridge_0001_arrivals

-- migrate: apply

DO $$
DECLARE
    app_role text := regexp_replace(current_user, '_owner$', '');
BEGIN
    IF app_role <> current_user THEN
        EXECUTE format('GRANT UPDATE ON arrival_v1 TO %I', app_role);
    END IF;
END
$$;

-- migrate: rollback
DO $$
DECLARE
    app_role text := regexp_replace(current_user, '_owner$', '');
BEGIN
    IF app_role <> current_user THEN
        EXECUTE format('REVOKE UPDATE ON arrival_v1 FROM %I', app_role);
    END IF;
END
$$;
