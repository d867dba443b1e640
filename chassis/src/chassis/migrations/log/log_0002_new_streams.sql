-- The append function writes a new stream once: at its final version with its state, no longer empty and then anew.
-- depends: log_0001_append

-- migrate: apply

-- Appends a group of commands in the caller's transaction and says of each what became of it:
--   appended    its events are stored at positions first_pos..last_pos of its shard; the stream has reached `version`
--   conflict    the stream is not at the expected version; `version` says where it is
--   late        the database's clock has passed the command's not_after
--   remembered  its idempotency key is known with the same body; `answer` is the first answer
--   key_reused  its idempotency key is known with another body
-- A command that is not appended changes nothing. Arrays are parallel, one element a command, then one element an event:
-- event_commands says whose it is (from 1), event_ordinals which of that command's it is (from 0).
-- The caller gives each stream and each key at most once.
-- Lock order: keys, streams, shard heads, each ascending. Versions are checked before any counter moves.
-- A new stream is written once, as it will be: nobody else sees it before the commit, and what is late takes it back.
CREATE OR REPLACE FUNCTION append_group(
    p_epoch bigint,
    stream_ids uuid[],
    kinds text[],
    expected_versions bigint[],
    counts integer[],
    not_afters timestamptz[],
    states bytea[],
    state_versions integer[],
    principals text[],
    keys text[],
    body_hashes bytea[],
    answers bytea[],
    event_commands integer[],
    event_ordinals integer[],
    event_ids uuid[],
    types text[],
    datas bytea[],
    metas bytea[]
) RETURNS TABLE (outcome text, version bigint, shard smallint, first_pos bigint, last_pos bigint, answer bytea)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
-- The plans are pinned: cached while the tables were empty they would scan, and halve the rate for good.
SET jit = off
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
#variable_conflict use_column
DECLARE
    commands integer := cardinality(stream_ids);
    outcomes text[] := array_fill('pending'::text, ARRAY[commands]);
    versions bigint[] := array_fill(0::bigint, ARRAY[commands]);
    is_new boolean[] := array_fill(false, ARRAY[commands]);
    known_answers bytea[] := array_fill(NULL::bytea, ARRAY[commands]);
    first_positions bigint[] := array_fill(NULL::bigint, ARRAY[commands]);
    shards smallint[] := ARRAY(SELECT shard_of(s) FROM unnest(stream_ids) WITH ORDINALITY AS c (s, n) ORDER BY n);
    last_positions bigint[] := array_fill(0::bigint, ARRAY[64], ARRAY[0]);
    has_keys boolean := cardinality(array_remove(keys, NULL)) > 0;
    found record;
BEGIN
    IF p_epoch IS DISTINCT FROM (SELECT epoch FROM store WHERE only_row) THEN
        RAISE EXCEPTION 'the log has another epoch' USING ERRCODE = 'GH001';
    END IF;

    IF has_keys THEN
        -- A key that another transaction holds is waited for: its outcome decides ours.
        WITH claimed AS (
            INSERT INTO remembered_answer AS r (principal, key, body_hash, answer)
            SELECT c.principal, c.key, c.body_hash, c.answer
            FROM unnest(principals, keys, body_hashes, answers) AS c (principal, key, body_hash, answer)
            WHERE c.key IS NOT NULL
            ORDER BY c.principal, c.key
            ON CONFLICT (principal, key) DO NOTHING
            RETURNING r.principal, r.key
        )
        SELECT array_agg(CASE WHEN c.key IS NULL OR (c.principal, c.key) IN (SELECT principal, key FROM claimed) THEN 'pending'
                              ELSE 'known' END ORDER BY c.n)
        INTO outcomes
        FROM unnest(principals, keys) WITH ORDINALITY AS c (principal, key, n);

        IF 'known' = ANY (outcomes) THEN
            FOR found IN
                SELECT c.n, r.body_hash = c.body_hash AS is_same, r.answer
                FROM unnest(principals, keys, body_hashes, outcomes) WITH ORDINALITY AS c (principal, key, body_hash, outcome, n)
                JOIN remembered_answer AS r ON r.principal = c.principal AND r.key = c.key
                WHERE c.outcome = 'known'
            LOOP
                outcomes[found.n] := CASE WHEN found.is_same THEN 'remembered' ELSE 'key_reused' END;
                known_answers[found.n] := CASE WHEN found.is_same THEN found.answer END;
            END LOOP;
        END IF;
    END IF;

    IF 0 = ANY (expected_versions) THEN
        WITH created AS (
            INSERT INTO stream AS s (stream_id, kind, version, state, state_version)
            SELECT c.stream_id, c.kind, c.count, CASE WHEN c.count > 0 THEN c.state END, CASE WHEN c.count > 0 THEN c.state_version END
            FROM unnest(stream_ids, kinds, expected_versions, counts, states, state_versions, outcomes)
                AS c (stream_id, kind, expected, count, state, state_version, outcome)
            WHERE c.expected = 0 AND c.outcome = 'pending'
            ORDER BY c.stream_id
            ON CONFLICT (stream_id) DO NOTHING
            RETURNING s.stream_id
        )
        SELECT array_agg(c.stream_id IN (SELECT stream_id FROM created) ORDER BY c.n)
        INTO is_new
        FROM unnest(stream_ids) WITH ORDINALITY AS c (stream_id, n);
    END IF;

    IF false = ANY (is_new) THEN
        FOR found IN
            SELECT c.n, s.version
            FROM unnest(stream_ids, outcomes, is_new) WITH ORDINALITY AS c (stream_id, outcome, is_new, n)
            JOIN stream AS s ON s.stream_id = c.stream_id
            WHERE c.outcome = 'pending' AND NOT c.is_new
            ORDER BY s.stream_id
            FOR NO KEY UPDATE OF s
        LOOP
            versions[found.n] := found.version;
        END LOOP;
        FOR n IN 1..commands LOOP
            IF outcomes[n] = 'pending' AND versions[n] <> expected_versions[n] THEN
                outcomes[n] := 'conflict';
            END IF;
        END LOOP;
    END IF;

    FOR found IN
        SELECT h.shard, h.last_pos
        FROM shard_head AS h
        WHERE h.shard IN (
            SELECT c.shard FROM unnest(shards, counts, outcomes) AS c (shard, count, outcome)
            WHERE c.outcome = 'pending' AND c.count > 0)
        ORDER BY h.shard
        FOR NO KEY UPDATE OF h
    LOOP
        last_positions[found.shard] := found.last_pos;
    END LOOP;
    -- All waits are over: what is in time now is in time.
    FOR n IN 1..commands LOOP
        IF outcomes[n] = 'pending' AND not_afters[n] < clock_timestamp() THEN
            outcomes[n] := 'late';
        ELSIF outcomes[n] = 'pending' AND counts[n] > 0 THEN
            first_positions[n] := last_positions[shards[n]] + 1;
            last_positions[shards[n]] := last_positions[shards[n]] + counts[n];
        END IF;
    END LOOP;

    IF 'late' = ANY (outcomes) AND true = ANY (is_new) THEN
        DELETE FROM stream AS s
        USING unnest(stream_ids, outcomes, is_new) AS c (stream_id, outcome, is_new)
        WHERE s.stream_id = c.stream_id AND c.outcome = 'late' AND c.is_new;
    END IF;

    IF 'pending' = ANY (outcomes) THEN
        UPDATE shard_head AS h
        SET last_pos = last_positions[h.shard]
        WHERE h.shard = ANY (ARRAY(
            SELECT c.shard FROM unnest(shards, first_positions) AS c (shard, first_pos) WHERE c.first_pos IS NOT NULL));

        IF false = ANY (is_new) THEN
            UPDATE stream AS s
            SET version = c.expected + c.count, state = c.state, state_version = c.state_version
            FROM unnest(stream_ids, expected_versions, counts, states, state_versions, first_positions, is_new)
                AS c (stream_id, expected, count, state, state_version, first_pos, is_new)
            WHERE s.stream_id = c.stream_id AND c.first_pos IS NOT NULL AND NOT c.is_new;
        END IF;

        INSERT INTO event (shard, pos, stream_id, version, event_id, type, data, meta)
        SELECT shards[e.command], first_positions[e.command] + e.ordinal, stream_ids[e.command],
               expected_versions[e.command] + 1 + e.ordinal, e.event_id, e.type, e.data, e.meta
        FROM unnest(event_commands, event_ordinals, event_ids, types, datas, metas)
            AS e (command, ordinal, event_id, type, data, meta)
        WHERE first_positions[e.command] IS NOT NULL;
    END IF;

    IF has_keys AND ('conflict' = ANY (outcomes) OR 'late' = ANY (outcomes)) THEN
        DELETE FROM remembered_answer AS r
        USING unnest(principals, keys, outcomes) AS c (principal, key, outcome)
        WHERE r.principal = c.principal AND r.key = c.key AND c.outcome IN ('conflict', 'late');
    END IF;

    RETURN QUERY
    SELECT
        CASE c.outcome WHEN 'pending' THEN 'appended' ELSE c.outcome END,
        CASE c.outcome WHEN 'pending' THEN c.expected + c.count ELSE c.version END,
        c.shard,
        c.first_pos,
        c.first_pos + c.count - 1,
        c.answer
    FROM unnest(expected_versions, counts, shards, outcomes, versions, first_positions, known_answers)
        WITH ORDINALITY AS c (expected, count, shard, outcome, version, first_pos, answer, n)
    ORDER BY c.n;
END
$$;

-- migrate: rollback
-- Nothing to undo: the function of log_0001 and this one promise the same over the same tables.
