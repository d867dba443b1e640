-- A log that was brought back from a backup: known by where it lives, closed until it was examined, and completed from its topic.
-- depends: log_0002_new_streams

-- migrate: apply

-- Where the log was when it was last examined: the cluster, its timeline (which rises when a server leaves recovery), the database.
-- NULL closes the log: it is being completed.
ALTER TABLE store ADD COLUMN examined_at_place text;

-- The part that costs nothing to ask: with every group that is appended.
CREATE FUNCTION place_in_cluster() RETURNS text LANGUAGE sql STABLE SET search_path = public, pg_temp
    RETURN substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8)
        || '/' || (SELECT oid FROM pg_database WHERE datname = current_database())::text;

CREATE FUNCTION place_of_log() RETURNS text LANGUAGE sql STABLE SET search_path = public, pg_temp
    RETURN (SELECT system_identifier FROM pg_control_system())::text || '/' || place_in_cluster();

UPDATE store SET examined_at_place = place_of_log();

-- Asked after the shard heads are locked, whoever completes the log locks them first: an append is in the log as it was, or it is
-- refused. An event that was made for the log as it was before must not enter it as it is now: readers would stop at its epoch.
CREATE FUNCTION refuse_unexamined() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    log store%ROWTYPE;
BEGIN
    IF current_setting('gatehouse.completing', true) = 'on' THEN
        RETURN NULL;
    END IF;
    SELECT * INTO log FROM store;
    IF substr(log.examined_at_place, strpos(log.examined_at_place, '/') + 1) IS DISTINCT FROM place_in_cluster() THEN
        RAISE EXCEPTION 'the log was restored and is not examined yet' USING ERRCODE = 'GH002';
    END IF;
    -- The ninth line of an envelope, see contracts/event.py.
    IF EXISTS (SELECT FROM added WHERE split_part(convert_from(meta, 'UTF8'), E'\n', 9) <> log.epoch::text) THEN
        RAISE EXCEPTION 'an event of another epoch' USING ERRCODE = 'GH001';
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER log_is_examined AFTER INSERT ON event REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_unexamined();

-- What was done about a restored log, and by whom.
CREATE TABLE restoration (
    epoch bigint PRIMARY KEY,
    events_taken_back bigint NOT NULL,
    loss_accepted_because text,
    ended_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Closes a log that lives elsewhere than where it was examined, whatever part of the place differs. An open one stays open.
CREATE FUNCTION close_if_elsewhere() RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp
AS $$ UPDATE store SET examined_at_place = NULL WHERE examined_at_place <> place_of_log() $$;

-- Closes the log to every append until end_restoration. Whoever holds it open for writing is waited for.
CREATE FUNCTION begin_restoration() RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    UPDATE store SET examined_at_place = NULL;
    PERFORM 1 FROM shard_head ORDER BY shard FOR NO KEY UPDATE;
END
$$;

-- Takes events back as they were published: same bytes, ids, positions and versions, directly behind what is there.
-- Arrays are parallel, one element an event, in the order of shard and position. Streams are folded anew when next needed.
CREATE FUNCTION take_back(
    shards smallint[], positions bigint[], stream_ids uuid[], kinds text[], versions bigint[], event_ids uuid[], types text[],
    datas bytea[], metas bytea[]
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
DECLARE
    wrong record;
BEGIN
    IF (SELECT examined_at_place FROM store) IS NOT NULL THEN
        RAISE EXCEPTION 'the log is open' USING ERRCODE = 'GH003';
    END IF;
    PERFORM 1 FROM shard_head ORDER BY shard FOR NO KEY UPDATE;
    SELECT h.shard INTO wrong
    FROM (SELECT shard, min(pos) AS first, max(pos) AS last, count(*) AS n
          FROM unnest(shards, positions) AS e (shard, pos) GROUP BY shard) AS r
    JOIN shard_head AS h USING (shard)
    WHERE r.first <> h.last_pos + 1 OR r.last - r.first + 1 <> r.n LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'what comes back does not follow in shard %', wrong.shard USING ERRCODE = 'GH003';
    END IF;
    INSERT INTO stream (stream_id, kind, version)
    SELECT DISTINCT ON (s.stream_id) s.stream_id, s.kind, 0 FROM unnest(stream_ids, kinds) AS s (stream_id, kind)
    ORDER BY s.stream_id
    ON CONFLICT (stream_id) DO NOTHING;
    SELECT s.stream_id INTO wrong
    FROM (SELECT stream_id, min(version) AS first, max(version) AS last, count(*) AS n
          FROM unnest(stream_ids, versions) AS e (stream_id, version) GROUP BY stream_id) AS r
    JOIN stream AS s USING (stream_id)
    WHERE r.first <> s.version + 1 OR r.last - r.first + 1 <> r.n LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'what comes back does not follow in stream %', wrong.stream_id USING ERRCODE = 'GH003';
    END IF;
    UPDATE stream AS s SET version = r.last, state = NULL, state_version = NULL
    FROM (SELECT stream_id, max(version) AS last FROM unnest(stream_ids, versions) AS e (stream_id, version) GROUP BY stream_id) AS r
    WHERE s.stream_id = r.stream_id;
    UPDATE shard_head AS h SET last_pos = r.last
    FROM (SELECT shard, max(pos) AS last FROM unnest(shards, positions) AS e (shard, pos) GROUP BY shard) AS r
    WHERE h.shard = r.shard;
    PERFORM set_config('gatehouse.completing', 'on', true);
    INSERT INTO event (shard, pos, stream_id, version, event_id, type, data, meta)
    SELECT * FROM unnest(shards, positions, stream_ids, versions, event_ids, types, datas, metas);
    PERFORM set_config('gatehouse.completing', 'off', true);
END
$$;

-- Opens the log again, in the next epoch. Gives the epoch.
CREATE FUNCTION end_restoration(events_taken_back bigint, loss_accepted_because text) RETURNS bigint
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

DO $$
DECLARE
    app_role text := regexp_replace(current_user, '_owner$', '');
BEGIN
    IF app_role <> current_user THEN
        EXECUTE format('GRANT SELECT ON restoration TO %I', app_role);
        EXECUTE format(
            'GRANT EXECUTE ON FUNCTION place_of_log, place_in_cluster, close_if_elsewhere, begin_restoration, take_back, end_restoration TO %I',
            app_role);
    END IF;
END
$$;
REVOKE ALL ON FUNCTION close_if_elsewhere, begin_restoration, take_back, end_restoration FROM PUBLIC;

-- migrate: rollback
DROP TRIGGER log_is_examined ON event;
DROP FUNCTION end_restoration, take_back, begin_restoration, close_if_elsewhere, refuse_unexamined, place_of_log, place_in_cluster;
DROP TABLE restoration;
ALTER TABLE store DROP COLUMN examined_at_place;
