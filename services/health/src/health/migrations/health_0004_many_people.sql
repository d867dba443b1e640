-- A request about many people is many commands: its key is kept by chassis/remembered.py, not by the append function.
-- depends: health_0003_missing_reports

-- migrate: apply

DO $$
DECLARE
    app_role text := regexp_replace(current_user, '_owner$', '');
BEGIN
    IF app_role <> current_user THEN
        EXECUTE format('GRANT INSERT (principal, key, body_hash), UPDATE (answer) ON remembered_answer TO %I', app_role);
    END IF;
END
$$;

-- migrate: rollback
DO $$
DECLARE
    app_role text := regexp_replace(current_user, '_owner$', '');
BEGIN
    IF app_role <> current_user THEN
        EXECUTE format('REVOKE INSERT (principal, key, body_hash), UPDATE (answer) ON remembered_answer FROM %I', app_role);
    END IF;
END
$$;
