-- Since when the gates know a disposition, see read_models/in_force.py.
-- depends: health_0001_known_people

-- migrate: apply

CREATE TABLE in_force_v1 (
    disposition_id uuid PRIMARY KEY,
    in_force_at timestamptz NOT NULL
);

DO $$
DECLARE
    app_role text := regexp_replace(current_user, '_owner$', '');
BEGIN
    IF app_role <> current_user THEN
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON in_force_v1 TO %I', app_role);
    END IF;
END
$$;

-- migrate: rollback
DROP TABLE in_force_v1;
