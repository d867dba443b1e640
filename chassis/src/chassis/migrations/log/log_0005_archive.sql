-- Old events are moved out of the table that is appended to: the same rows, sealed by a chain of digests, one for each shard (ADR 42).
-- depends: log_0004_forget_answers

-- migrate: apply

-- A child of `event`: whoever reads the log reads both, and what is appended goes to `event` alone.
CREATE TABLE archived_event (LIKE event INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES) INHERITS (event);

-- What was moved at once, and what it was. Each range begins where the one before it ended.
CREATE TABLE archived_range (
    shard smallint NOT NULL,
    last_pos bigint NOT NULL,
    digest bytea NOT NULL CHECK (octet_length(digest) = 32),
    archived_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (shard, last_pos)
);

-- Moving is the one change that the log knows: what `archive_events` deletes is let through, and nothing else.
CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    stack text;
BEGIN
    GET DIAGNOSTICS stack = PG_CONTEXT;
    IF TG_OP = 'DELETE' AND TG_TABLE_NAME = 'event' AND strpos(stack, 'archive_events(smallint,integer,integer)') > 0 THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION 'the log is append-only' USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER archived_event_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON archived_event
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER archived_range_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON archived_range
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- The digest of a range: of the digest of the range before it, and of every event from there to `p_last_pos`, in order.
CREATE FUNCTION digest_of_range(p_shard smallint, p_last_pos bigint) RETURNS bytea
LANGUAGE sql STABLE SET search_path = public, pg_temp
AS $$
    WITH before AS (
        SELECT last_pos, digest FROM archived_range WHERE shard = p_shard AND last_pos < p_last_pos ORDER BY last_pos DESC LIMIT 1
    ), folded AS (
        SELECT string_agg(
            sha256(convert_to(concat_ws(E'\n', pos, stream_id, version, event_id, type, extract(epoch FROM recorded_at)), 'UTF8')
                || sha256(data) || sha256(meta)),
            ''::bytea ORDER BY pos) AS events
        FROM event
        WHERE shard = p_shard AND pos > coalesce((SELECT last_pos FROM before), 0) AND pos <= p_last_pos
    )
    SELECT sha256(coalesce((SELECT digest FROM before), ''::bytea) || convert_to(p_shard::text, 'UTF8') || coalesce(events, ''::bytea)) FROM folded
$$;

-- Moves the shard's oldest events, `events_max` at most, up to the first that is younger than so many days. Gives their number.
-- Nothing younger than a month: remembered answers and backups are younger, and who repeats or restores meets its own events.
CREATE FUNCTION archive_events(p_shard smallint, older_than_days integer, events_max integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
DECLARE
    until timestamptz := clock_timestamp() - make_interval(days => older_than_days);
    last bigint;
    moved bigint;
BEGIN
    IF older_than_days < 30 THEN
        RAISE EXCEPTION 'nothing younger than 30 days is archived' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('archive_events'), p_shard);
    SELECT coalesce(min(pos) FILTER (WHERE recorded_at >= until) - 1, max(pos)) INTO last
    FROM (SELECT pos, recorded_at FROM ONLY event WHERE shard = p_shard ORDER BY pos LIMIT events_max) AS oldest;

    INSERT INTO archived_event SELECT * FROM ONLY event WHERE shard = p_shard AND pos <= last ORDER BY pos;
    GET DIAGNOSTICS moved = ROW_COUNT;
    IF moved = 0 THEN
        RETURN 0;
    END IF;
    DELETE FROM ONLY event WHERE shard = p_shard AND pos <= last;
    INSERT INTO archived_range (shard, last_pos, digest) VALUES (p_shard, last, digest_of_range(p_shard, last));
    RETURN moved;
END
$$;

-- An event id is unique in each table; whoever repeats a command whose events were moved would make them again. Whoever appends
-- asks this afterwards, in the same statement: what is being moved was waited for by then, and is seen.
CREATE FUNCTION refuse_archived(event_ids uuid[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
-- The plan is pinned: cached while the table was empty it would scan for good.
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
AS $$
BEGIN
    IF EXISTS (SELECT FROM archived_event WHERE event_id = ANY (event_ids)) THEN
        RAISE EXCEPTION 'the events are archived' USING ERRCODE = 'unique_violation', CONSTRAINT = 'event_event_id_key';
    END IF;
END
$$;
REVOKE ALL ON FUNCTION archive_events, refuse_archived FROM PUBLIC;

DO $$
DECLARE
    app_role text := regexp_replace(current_user, '_owner$', '');
BEGIN
    IF app_role <> current_user THEN
        EXECUTE format('GRANT SELECT ON archived_range, archived_event TO %I', app_role);
        EXECUTE format('GRANT EXECUTE ON FUNCTION refuse_archived TO %I', app_role);
    END IF;
END
$$;

-- migrate: rollback
DO $$
BEGIN
    IF EXISTS (SELECT FROM archived_event) THEN
        RAISE EXCEPTION 'archived events are part of the log' USING ERRCODE = 'object_in_use';
    END IF;
END
$$;
CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the log is append-only' USING ERRCODE = 'insufficient_privilege';
END
$$;
DROP FUNCTION refuse_archived, archive_events, digest_of_range;
DROP TABLE archived_range;
ALTER TABLE archived_event NO INHERIT event;
DROP TABLE archived_event;
