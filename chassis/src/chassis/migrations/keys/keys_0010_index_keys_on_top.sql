-- A document's index may be taken once more, under another key on top of the first: so the index key is changed (ADR 52).
-- depends: keys_0009_destroyed

-- migrate: apply

-- How many keys lie on top of each other, with a mark of the topmost that whoever asks must know as well: a process that was
-- told another key would make a new person of everybody.
CREATE TABLE index_key (
    generation smallint PRIMARY KEY CHECK (generation > 0),
    mark bytea NOT NULL CHECK (octet_length(mark) = 32),
    seen_at timestamptz NOT NULL DEFAULT now(),
    -- Since then documents are found by these indexes alone. Null: while it is changed, by those of the generation before.
    counts_since timestamptz
);
REVOKE ALL ON TABLE index_key FROM PUBLIC;

-- `is_carried`: the same document has an index of the next generation as well.
ALTER TABLE identity
    ADD COLUMN generation smallint NOT NULL DEFAULT 1,
    ADD COLUMN is_carried boolean NOT NULL DEFAULT false;

-- By indexes of which generation a document is found that is new.
CREATE FUNCTION index_generation() RETURNS smallint
LANGUAGE sql STABLE
SET search_path = public, pg_temp
AS $$
    SELECT coalesce(max(generation) FILTER (WHERE counts_since IS NOT NULL), 1::smallint) FROM index_key
$$;

-- Whether somebody with so many keys may say of a document that it is new: not with one less than count, nor with another key.
-- `marks` are those of all his keys but the last, and of all.
CREATE FUNCTION insist_on_index_key(asked smallint, marks bytea[]) RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = public, pg_temp
AS $$
BEGIN
    IF asked NOT IN (index_generation(), index_generation() + 1)
        OR EXISTS (SELECT FROM index_key AS k WHERE k.generation IN (asked - 1, asked) AND k.mark <> marks[2 - asked + k.generation])
    THEN
        RAISE EXCEPTION 'the index key is another one' USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
END
$$;

-- The person of each document, in order, as `identify` was before. `newest` are the indexes under all keys, `former` those
-- under all but the last. Whoever knows both finds a document by either, for both lead to the same person; a new one is entered
-- under the index that counts, which is unique, and under the other with the person that it has there.
CREATE FUNCTION identify(newest bytea[], former bytea[], document_types text[], asked smallint, marks bytea[]) RETURNS uuid[]
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
DECLARE
    person_ids uuid[];
    is_coming boolean;
BEGIN
    FOR attempt IN 1..5 LOOP
        SELECT array_agg(coalesce(n.person_id, f.person_id) ORDER BY d.place) INTO person_ids
        FROM unnest(newest, former) WITH ORDINALITY AS d (newest, former, place)
        LEFT JOIN identity AS n ON n.blind_index = d.newest
        LEFT JOIN identity AS f ON f.blind_index = d.former;

        IF array_position(person_ids, NULL) IS NULL THEN
            RETURN person_ids;
        END IF;

        IF attempt = 1 THEN
            -- Which indexes count is settled until this transaction ends: whoever changes it waits for this lock.
            PERFORM pg_advisory_xact_lock_shared(1195918153);
            PERFORM insist_on_index_key(asked, marks);
            IF marks IS NOT NULL AND NOT EXISTS (SELECT FROM index_key WHERE generation = asked) THEN
                INSERT INTO index_key (generation, mark) VALUES (asked, marks[2]) ON CONFLICT (generation) DO NOTHING;
                PERFORM insist_on_index_key(asked, marks);
            END IF;
            is_coming := asked > index_generation();
        END IF;

        WITH made AS (
            INSERT INTO identity (blind_index, person_id, document_type, generation, is_carried)
            SELECT DISTINCT ON (d.index) d.index, gen_random_uuid(), d.document_type,
                CASE WHEN is_coming THEN asked - 1 ELSE asked END, is_coming
            FROM (
                SELECT CASE WHEN is_coming THEN u.former ELSE u.newest END AS index, u.document_type
                FROM unnest(newest, former, document_types, person_ids) AS u (newest, former, document_type, person_id)
                WHERE u.person_id IS NULL
            ) AS d
            ORDER BY d.index
            ON CONFLICT (blind_index) DO NOTHING
            RETURNING blind_index, person_id, document_type
        )
        INSERT INTO identity (blind_index, person_id, document_type, generation)
        SELECT DISTINCT ON (u.newest) u.newest, m.person_id, m.document_type, asked
        FROM made AS m JOIN unnest(newest, former) AS u (newest, former) ON u.former = m.blind_index
        WHERE is_coming
        ORDER BY u.newest
        ON CONFLICT (blind_index) DO NOTHING;
    END LOOP;
    RAISE EXCEPTION 'identities vanish as fast as they are made' USING ERRCODE = 'serialization_failure';
END
$$;

-- As the release before asks, which knows one key and says nothing of it.
CREATE OR REPLACE FUNCTION identify(blind_indexes bytea[], document_types text[]) RETURNS uuid[]
LANGUAGE sql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
    SELECT identify(blind_indexes, NULL, document_types, 1::smallint, NULL)
$$;

CREATE FUNCTION find_person(newest bytea, former bytea, asked smallint, marks bytea[]) RETURNS uuid
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
DECLARE
    found uuid := (SELECT person_id FROM identity WHERE blind_index IN (newest, former) LIMIT 1);
BEGIN
    IF found IS NULL THEN
        PERFORM insist_on_index_key(asked, marks);
    END IF;
    RETURN found;
END
$$;

CREATE OR REPLACE FUNCTION find_person(wanted bytea) RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
    SELECT find_person(wanted, NULL, 1::smallint, NULL)
$$;

-- As before. The second statement sees what was carried while the first one waited for it.
CREATE OR REPLACE FUNCTION destroy_key(destroyed uuid) RETURNS void
LANGUAGE sql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
    INSERT INTO key AS k (stream_id, wrapped_key, destroyed_at) VALUES (destroyed, NULL, now())
    ON CONFLICT (stream_id) DO UPDATE SET wrapped_key = NULL, destroyed_at = now() WHERE k.destroyed_at IS NULL;
    DELETE FROM identity WHERE person_id = destroyed;
    DELETE FROM identity WHERE person_id = destroyed;
$$;

REVOKE ALL ON FUNCTION index_generation, insist_on_index_key, identify(bytea[], bytea[], text[], smallint, bytea[]),
    find_person(bytea, bytea, smallint, bytea[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION identify(bytea[], bytea[], text[], smallint, bytea[]) TO registration, healthcloud_bridge, gatekeeper;
GRANT EXECUTE ON FUNCTION find_person(bytea, bytea, smallint, bytea[]) TO reporting, registration;

-- migrate: rollback
DO $$
BEGIN
    IF index_generation() > 1 THEN
        RAISE EXCEPTION 'documents are found by indexes that the release before does not know' USING ERRCODE = 'object_in_use';
    END IF;
END
$$;
DELETE FROM identity WHERE generation > 1;
CREATE OR REPLACE FUNCTION destroy_key(destroyed uuid) RETURNS void
LANGUAGE sql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
    INSERT INTO key AS k (stream_id, wrapped_key, destroyed_at) VALUES (destroyed, NULL, now())
    ON CONFLICT (stream_id) DO UPDATE SET wrapped_key = NULL, destroyed_at = now() WHERE k.destroyed_at IS NULL;
    DELETE FROM identity WHERE person_id = destroyed;
$$;
CREATE OR REPLACE FUNCTION find_person(wanted bytea) RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
    SELECT person_id FROM identity WHERE blind_index = wanted
$$;
CREATE OR REPLACE FUNCTION identify(blind_indexes bytea[], document_types text[]) RETURNS uuid[]
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
DECLARE
    person_ids uuid[];
BEGIN
    FOR attempt IN 1..5 LOOP
        SELECT array_agg(i.person_id ORDER BY d.n) INTO person_ids
        FROM unnest(blind_indexes) WITH ORDINALITY AS d (blind_index, n)
        LEFT JOIN identity AS i ON i.blind_index = d.blind_index;
        IF array_position(person_ids, NULL) IS NULL THEN
            RETURN person_ids;
        END IF;
        INSERT INTO identity (blind_index, person_id, document_type)
        SELECT DISTINCT ON (d.blind_index) d.blind_index, gen_random_uuid(), d.document_type
        FROM unnest(blind_indexes, document_types, person_ids) AS d (blind_index, document_type, person_id)
        WHERE d.person_id IS NULL
        ORDER BY d.blind_index
        ON CONFLICT (blind_index) DO NOTHING;
    END LOOP;
    RAISE EXCEPTION 'identities vanish as fast as they are made' USING ERRCODE = 'serialization_failure';
END
$$;
DROP FUNCTION find_person(bytea, bytea, smallint, bytea[]), identify(bytea[], bytea[], text[], smallint, bytea[]);
DROP FUNCTION insist_on_index_key, index_generation;
ALTER TABLE identity DROP COLUMN generation, DROP COLUMN is_carried;
DROP TABLE index_key;
