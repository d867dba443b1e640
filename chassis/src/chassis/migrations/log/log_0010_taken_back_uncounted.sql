-- Whoever closed the log before its tables counted what was there is believed how much he took back.
-- depends: log_0009_taken_back

-- migrate: apply
-- Opens the log again, in a later epoch: the time in seconds since 1970, and later than what was written in it by a clock that was ahead:
-- of the events that are taken back some may be of another copy, which was restored before. Gives the epoch.
-- What was taken back is counted here, where it is known how many events there were before. A release before tells `events_taken_back`.
CREATE OR REPLACE FUNCTION end_restoration(events_taken_back bigint, loss_accepted_because text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    raised bigint;
    written bigint;
    events_now bigint;
    taken_back bigint;
BEGIN
    -- The ninth line of an envelope, see contracts/event.py.
    SELECT max(split_part(convert_from(e.meta, 'UTF8'), E'\n', 9)::bigint) INTO written
    FROM shard_head AS h JOIN event AS e ON e.shard = h.shard AND e.pos = h.last_pos;
    SELECT sum(last_pos) INTO events_now FROM shard_head;
    SELECT coalesce(events_now - s.events_before, events_taken_back) INTO taken_back FROM store AS s;
    UPDATE store SET
        epoch = greatest(epoch + 1, written + 1, extract(epoch FROM clock_timestamp())::bigint), examined_at_place = place_of_log(),
        events_before = NULL
    RETURNING epoch INTO raised;
    INSERT INTO restoration (epoch, events_taken_back, loss_accepted_because)
    VALUES (raised, taken_back, loss_accepted_because);
    RETURN raised;
END
$$;

-- migrate: rollback
CREATE OR REPLACE FUNCTION end_restoration(events_taken_back bigint, loss_accepted_because text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    raised bigint;
    written bigint;
    events_now bigint;
    taken_back bigint;
BEGIN
    -- The ninth line of an envelope, see contracts/event.py.
    SELECT max(split_part(convert_from(e.meta, 'UTF8'), E'\n', 9)::bigint) INTO written
    FROM shard_head AS h JOIN event AS e ON e.shard = h.shard AND e.pos = h.last_pos;
    SELECT sum(last_pos) INTO events_now FROM shard_head;
    SELECT coalesce(events_now - s.events_before, 0) INTO taken_back FROM store AS s;
    UPDATE store SET
        epoch = greatest(epoch + 1, written + 1, extract(epoch FROM clock_timestamp())::bigint), examined_at_place = place_of_log(),
        events_before = NULL
    RETURNING epoch INTO raised;
    INSERT INTO restoration (epoch, events_taken_back, loss_accepted_because)
    VALUES (raised, taken_back, loss_accepted_because);
    RETURN raised;
END
$$;
