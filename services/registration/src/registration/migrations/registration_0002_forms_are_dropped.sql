-- Forms that waited for a declaration are dropped when somebody is erased.
-- depends: registration_0001_read_models

-- migrate: apply

DO $$
DECLARE
    app_role text := regexp_replace(current_user, '_owner$', '');
BEGIN
    IF app_role <> current_user THEN
        EXECUTE format('GRANT DELETE ON pre_registration_v1 TO %I', app_role);
    END IF;
END
$$;

-- migrate: rollback
DO $$
DECLARE
    app_role text := regexp_replace(current_user, '_owner$', '');
BEGIN
    IF app_role <> current_user THEN
        EXECUTE format('REVOKE DELETE ON pre_registration_v1 FROM %I', app_role);
    END IF;
END
$$;
