-- No two restores of one backup go on in the same epoch.
-- depends: log_0006_compared

-- migrate: apply

-- Opens the log again, in a later epoch: the time in seconds since 1970. Whoever knows of an epoch that another copy of the log went
-- on in must not take this one for it, and a copy cannot know how far another has counted. Gives the epoch.
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

-- migrate: rollback
CREATE OR REPLACE FUNCTION end_restoration(events_taken_back bigint, loss_accepted_because text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    raised bigint;
BEGIN
    UPDATE store SET epoch = epoch + 1, examined_at_place = place_of_log() RETURNING epoch INTO raised;
    INSERT INTO restoration (epoch, events_taken_back, loss_accepted_because)
    VALUES (raised, events_taken_back, loss_accepted_because);
    RETURN raised;
END
$$;
