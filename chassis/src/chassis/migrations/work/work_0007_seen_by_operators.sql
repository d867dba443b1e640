-- What an operator is shown: since when which process holds a name, why it does not get on, and how far a rebuild is.
-- depends: work_0006_workers_unlogged

-- migrate: apply

-- NULL: taken by a release that did not note it.
ALTER TABLE lease ADD COLUMN taken_at timestamptz;

-- Host and process number.
ALTER TABLE worker ADD COLUMN process text NOT NULL DEFAULT '';

-- Why it does not get on, as codes.
ALTER TABLE worker ADD COLUMN obstacles text[] NOT NULL DEFAULT '{}';

-- The last rebuild of each read model, as whoever rebuilds it tells about once a second.
CREATE TABLE rebuild (
    name text PRIMARY KEY,
    stage text NOT NULL,
    events_done bigint NOT NULL,
    events_total bigint NOT NULL,
    began_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    told_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- 'switched', 'different', or the type of what went wrong. NULL: it is at work, or was killed.
    outcome text
) WITH (fillfactor = 50);

DO $$
DECLARE
    app_role text := regexp_replace(current_user, '_owner$', '');
BEGIN
    IF app_role <> current_user THEN
        EXECUTE format('GRANT SELECT ON rebuild TO %I', app_role);
    END IF;
END
$$;

-- migrate: rollback
DROP TABLE rebuild;
ALTER TABLE worker DROP COLUMN obstacles, DROP COLUMN process;
ALTER TABLE lease DROP COLUMN taken_at;
