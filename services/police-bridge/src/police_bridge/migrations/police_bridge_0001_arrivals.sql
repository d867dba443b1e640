-- Which facts of the log are which district's, see read_models/arrivals.py. Nothing of a person stands here.
-- depends:

-- migrate: apply

CREATE TABLE arrival_v1 (
    district text NOT NULL,
    shard smallint NOT NULL,
    pos bigint NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (district, shard, pos)
);

DO $$
DECLARE
    app_role text := regexp_replace(current_user, '_owner$', '');
BEGIN
    IF app_role <> current_user THEN
        EXECUTE format('GRANT SELECT, INSERT ON arrival_v1 TO %I', app_role);
    END IF;
END
$$;

-- migrate: rollback
DROP TABLE arrival_v1;
