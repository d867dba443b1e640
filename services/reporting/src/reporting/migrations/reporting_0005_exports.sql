-- Which tables were exported by whom, see supervision/exporting.py. The workbook itself is not kept; its digest tells it again.
-- depends: reporting_0004_banned

-- migrate: apply

CREATE TABLE export (
    export_id uuid PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor text NOT NULL,
    role text NOT NULL,
    exported text NOT NULL,
    rows integer NOT NULL,
    as_of timestamptz NOT NULL,
    sha256 bytea NOT NULL CHECK (octet_length(sha256) = 32)
);

DO $$
DECLARE
    app_role text := regexp_replace(current_user, '_owner$', '');
BEGIN
    IF app_role <> current_user THEN
        EXECUTE format('GRANT SELECT, INSERT ON export TO %I', app_role);
    END IF;
END
$$;

-- migrate: rollback
DROP TABLE export;
