-- Remembered answers are kept for seven days.
-- depends: log_0003_restore

-- migrate: apply

-- Not partitioned by day: a key must be unique over all days, and a unique index over partitions would have to hold the day.
CREATE INDEX remembered_answer_stored_at ON remembered_answer (stored_at);

-- Forgets some of the answers that are old enough, and says how many. Waits for nobody, so it is part of no lock order: what
-- another transaction holds is left for the next time.
CREATE FUNCTION forget_answers(answers_max integer) RETURNS bigint
LANGUAGE sql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
    WITH old AS (
        SELECT principal, key FROM remembered_answer WHERE stored_at < now() - interval '7 days'
        ORDER BY stored_at LIMIT answers_max FOR UPDATE SKIP LOCKED
    ), forgotten AS (
        DELETE FROM remembered_answer AS r USING old WHERE r.principal = old.principal AND r.key = old.key RETURNING 1
    )
    SELECT count(*) FROM forgotten
$$;
REVOKE ALL ON FUNCTION forget_answers FROM PUBLIC;

DO $$
DECLARE
    app_role text := regexp_replace(current_user, '_owner$', '');
BEGIN
    IF app_role <> current_user THEN
        EXECUTE format('GRANT EXECUTE ON FUNCTION forget_answers TO %I', app_role);
    END IF;
END
$$;

-- migrate: rollback
DROP FUNCTION forget_answers;
DROP INDEX remembered_answer_stored_at;
