-- Events that a subscriber could not take in, each with whatever came behind it in its stream; and those that were given up.
-- depends: work_0001_leases

-- migrate: apply

-- Raised by whoever changes, from beside, what the work under a lease rests on: its owner looks anew before it writes.
ALTER TABLE lease ADD COLUMN interventions bigint NOT NULL DEFAULT 0;

CREATE TABLE parked (
    subscriber text NOT NULL,
    source text NOT NULL,
    shard smallint NOT NULL,
    pos bigint NOT NULL,
    stream_id uuid NOT NULL,
    version bigint NOT NULL,
    type text NOT NULL,
    data bytea NOT NULL,
    meta bytea NOT NULL,
    -- In words of ours, without anything of the event. NULL: nothing but that it comes behind another of its stream.
    error text,
    attempts integer NOT NULL,
    parked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (subscriber, source, shard, pos)
);
CREATE INDEX parked_streams ON parked (subscriber, stream_id, source, pos);

-- What an operator decided never to take in. The event itself stays in its source's log.
CREATE TABLE discarded (
    subscriber text NOT NULL,
    source text NOT NULL,
    shard smallint NOT NULL,
    pos bigint NOT NULL,
    stream_id uuid NOT NULL,
    version bigint NOT NULL,
    event_id uuid NOT NULL,
    type text NOT NULL,
    error text,
    reason text NOT NULL CHECK (reason <> ''),
    discarded_by text NOT NULL CHECK (discarded_by <> ''),
    discarded_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE FUNCTION refuse_change_of_discarded() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'what was discarded stays on record' USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER discarded_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON discarded
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_discarded();

DO $$
DECLARE
    app_role text := regexp_replace(current_user, '_owner$', '');
BEGIN
    IF app_role <> current_user THEN
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON parked TO %I', app_role);
        EXECUTE format('GRANT SELECT, INSERT ON discarded TO %I', app_role);
    END IF;
END
$$;

-- migrate: rollback
DROP TABLE discarded, parked;
DROP FUNCTION refuse_change_of_discarded;
ALTER TABLE lease DROP COLUMN interventions;
