-- A restored log goes on in a later epoch than that of every event in it.
-- depends: log_0007_epochs

-- migrate: apply

-- Opens the log again, in a later epoch: the time in seconds since 1970, and later than what was written in it by a clock that was ahead:
-- of the events that are taken back some may be of another copy, which was restored before. Gives the epoch.
CREATE OR REPLACE FUNCTION end_restoration(events_taken_back bigint, loss_accepted_because text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    raised bigint;
    written bigint;
BEGIN
    -- The ninth line of an envelope, see contracts/event.py.
    SELECT max(split_part(convert_from(e.meta, 'UTF8'), E'\n', 9)::bigint) INTO written
    FROM shard_head AS h JOIN event AS e ON e.shard = h.shard AND e.pos = h.last_pos;
    UPDATE store SET
        epoch = greatest(epoch + 1, written + 1, extract(epoch FROM clock_timestamp())::bigint), examined_at_place = place_of_log()
    RETURNING epoch INTO raised;
    INSERT INTO restoration (epoch, events_taken_back, loss_accepted_because)
    VALUES (raised, events_taken_back, loss_accepted_because);
    RETURN raised;
END
$$;

-- migrate: rollback
CREATE OR REPLACE FUNCTION end_restoration(events_taken_back bigint, loss_accepted_because text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    raised bigint;
BEGIN
    UPDATE store SET epoch = greatest(epoch + 1, extract(epoch FROM clock_timestamp())::bigint), examined_at_place = place_of_log() RETURNING epoch INTO raised;
    INSERT INTO restoration (epoch, events_taken_back, loss_accepted_because)
    VALUES (raised, events_taken_back, loss_accepted_because);
    RETURN raised;
END
$$;
