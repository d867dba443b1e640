-- Whose plain words must leave the topics, and how far they have: see read_models/erasures.py and clearing.py.
-- depends: police_bridge_0002_arrivals_written_again

-- migrate: apply

CREATE TABLE erasure_v1 (
    shard smallint NOT NULL,
    pos bigint NOT NULL,
    PRIMARY KEY (shard, pos)
);

CREATE TABLE topic_cleared (
    shard smallint PRIMARY KEY,
    last_pos bigint NOT NULL
);
COMMENT ON TABLE topic_cleared IS 'Topics hold no plain words of whoever was erased up to this position. No read model: it says what was done.';

DO $$
DECLARE
    app_role text := regexp_replace(current_user, '_owner$', '');
BEGIN
    IF app_role <> current_user THEN
        EXECUTE format('GRANT SELECT, INSERT, UPDATE ON erasure_v1, topic_cleared TO %I', app_role);
    END IF;
END
$$;

-- migrate: rollback
DROP TABLE topic_cleared;
DROP TABLE erasure_v1;
