-- A log is published only if it was compared with its topic since its server was started.
-- depends: log_0005_archive

-- migrate: apply

-- A copy of the log's files that was put back where they were is told from the log by nothing but its topic, which may reach beyond
-- it. Its server was started since (ADR 17).
-- The start of the server under which the log was last compared with its topic, and lacked nothing that this has.
ALTER TABLE store ADD COLUMN compared_at_start timestamptz;
UPDATE store SET compared_at_start = pg_postmaster_start_time();

CREATE FUNCTION may_be_published() RETURNS boolean LANGUAGE sql STABLE SET search_path = public, pg_temp
    RETURN (SELECT coalesce(examined_at_place = place_of_log() AND compared_at_start = pg_postmaster_start_time(), false) FROM store);

-- Whoever compares says under which start of the server he began: if that ended meanwhile, he is not believed.
CREATE FUNCTION note_compared(at_start timestamptz) RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp
AS $$ UPDATE store SET compared_at_start = at_start WHERE compared_at_start IS DISTINCT FROM at_start $$;

DO $$
DECLARE
    app_role text := regexp_replace(current_user, '_owner$', '');
BEGIN
    IF app_role <> current_user THEN
        EXECUTE format('GRANT EXECUTE ON FUNCTION may_be_published, note_compared TO %I', app_role);
    END IF;
END
$$;
REVOKE ALL ON FUNCTION note_compared FROM PUBLIC;

-- migrate: rollback
DROP FUNCTION note_compared, may_be_published;
ALTER TABLE store DROP COLUMN compared_at_start;
