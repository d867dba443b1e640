-- The key server: who a document belongs to, the wrapped key of every stream, and the record of who asked for keys.
-- depends:

-- migrate: apply

-- A document's blind index, HMAC-SHA-256(index key, type NUL number), leads to the person. Several documents may lead to
-- one person. The document itself is nowhere.
CREATE TABLE identity (
    blind_index bytea PRIMARY KEY CHECK (octet_length(blind_index) = 32),
    person_id uuid NOT NULL,
    document_type text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX identity_of_person ON identity (person_id);

-- One data key per stream, wrapped by the key-encryption key, which this server never sees. A destroyed key keeps its
-- row, so that no other can take its place. The row's former content is dead until it is vacuumed: that happens soon,
-- whatever the size of the table, and the server's WAL and backups are short-lived.
CREATE TABLE key (
    stream_id uuid PRIMARY KEY,
    key_version integer NOT NULL DEFAULT 1,
    wrapped_key bytea CHECK (octet_length(wrapped_key) BETWEEN 32 AND 128),
    created_at timestamptz NOT NULL DEFAULT now(),
    destroyed_at timestamptz,
    CHECK ((wrapped_key IS NULL) = (destroyed_at IS NOT NULL))
) WITH (autovacuum_vacuum_threshold = 0, autovacuum_vacuum_scale_factor = 0);

-- Who was given whose keys, and why. `service` is the role that logged in: no caller can choose it.
CREATE TABLE access (
    access_id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    service text NOT NULL DEFAULT session_user,
    actor text CHECK (char_length(actor) BETWEEN 1 AND 200),
    purpose text NOT NULL CHECK (purpose IN ('seal', 'masked_page', 'reveal', 'process', 'share')),
    stream_ids uuid[] NOT NULL CHECK (cardinality(stream_ids) > 0),
    -- To seal is the service's own doing; whoever reads has a name.
    CHECK ((purpose = 'seal') = (actor IS NULL))
);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the record of access is append-only' USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER access_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON access
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- The person of each document, in order. An unknown document becomes a new person; whoever comes second, in this group
-- or in another transaction, gets the person that the first one made. Documents are inserted in order: no deadlock.
CREATE FUNCTION identify(blind_indexes bytea[], document_types text[]) RETURNS uuid[]
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
-- The plan is pinned: cached while the table was empty it would scan for good.
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
DECLARE
    person_ids uuid[];
BEGIN
    -- Twice is enough unless a person is erased in between.
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

-- The keys that hold for these streams: the proposed one where there was none, else the first ever made; NULL where it
-- was destroyed. A key that already was there leaves this server, so that is recorded like every reading.
CREATE FUNCTION create_keys(stream_ids uuid[], wrapped_keys bytea[])
RETURNS TABLE (stream_id uuid, key_version integer, wrapped_key bytea)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
#variable_conflict use_column
DECLARE
    made uuid[];
    found_before uuid[];
BEGIN
    WITH proposed AS (
        SELECT DISTINCT ON (p.stream_id) p.stream_id, p.wrapped_key
        FROM unnest(stream_ids, wrapped_keys) AS p (stream_id, wrapped_key)
        WHERE NOT EXISTS (SELECT FROM key AS k WHERE k.stream_id = p.stream_id)
        ORDER BY p.stream_id
    ), inserted AS (
        INSERT INTO key AS k (stream_id, wrapped_key)
        SELECT proposed.stream_id, proposed.wrapped_key FROM proposed ORDER BY proposed.stream_id
        ON CONFLICT (stream_id) DO NOTHING
        RETURNING k.stream_id
    )
    SELECT coalesce(array_agg(inserted.stream_id), '{}') INTO made FROM inserted;

    -- Whoever inserted first has committed by now, and a new statement sees it.
    SELECT array_agg(k.stream_id ORDER BY k.stream_id) INTO found_before
    FROM (SELECT unnest(stream_ids) AS asked EXCEPT SELECT unnest(made)) AS a
    JOIN key AS k ON k.stream_id = a.asked
    WHERE k.wrapped_key IS NOT NULL;

    IF found_before IS NOT NULL THEN
        INSERT INTO access (purpose, stream_ids) VALUES ('seal', found_before);
    END IF;

    RETURN QUERY
    SELECT k.stream_id, k.key_version, k.wrapped_key
    FROM (SELECT DISTINCT asked FROM unnest(stream_ids) AS asked) AS a
    JOIN key AS k ON k.stream_id = a.asked;
END
$$;

-- The keys of these streams, and in the same transaction the record of who got them: one row for all, or, where
-- somebody is revealed, one row for each. No row, no keys.
CREATE FUNCTION unwrap(stream_ids uuid[], actor text, purpose text)
RETURNS TABLE (stream_id uuid, key_version integer, wrapped_key bytea)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
#variable_conflict use_column
BEGIN
    INSERT INTO access (actor, purpose, stream_ids)
    SELECT unwrap.actor, unwrap.purpose, g.ids
    FROM (
        SELECT array_agg(DISTINCT asked ORDER BY asked) AS ids
        FROM unnest(stream_ids) AS asked
        GROUP BY CASE WHEN unwrap.purpose = 'reveal' THEN asked END
    ) AS g;

    -- A caller could roll back after it has read. The row would be gone, this line in the server's log is not.
    RAISE LOG 'unwrap by %, purpose %, % streams', session_user, unwrap.purpose, cardinality(stream_ids);

    RETURN QUERY
    SELECT k.stream_id, k.key_version, k.wrapped_key
    FROM (SELECT DISTINCT asked FROM unnest(stream_ids) AS asked) AS a
    JOIN key AS k ON k.stream_id = a.asked;
END
$$;

-- Erases: what was sealed under this key is unreadable from now on, everywhere, and no document leads to the person any
-- more. Holds for a stream without a key, too: none can be made later. Repeating it changes nothing.
CREATE FUNCTION destroy_key(destroyed uuid) RETURNS void
LANGUAGE sql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
    INSERT INTO key AS k (stream_id, wrapped_key, destroyed_at) VALUES (destroyed, NULL, now())
    ON CONFLICT (stream_id) DO UPDATE SET wrapped_key = NULL, destroyed_at = now() WHERE k.destroyed_at IS NULL;
    DELETE FROM identity WHERE person_id = destroyed;
$$;

REVOKE ALL ON TABLE identity, key, access FROM PUBLIC;
REVOKE ALL ON FUNCTION identify, create_keys, unwrap, destroy_key, refuse_change FROM PUBLIC;

-- Every role may do by function what its service needs, and no more. A role must exist before it can be granted
-- anything; roles belong to the whole server, so one that is missing is made here without a password, which takes an
-- owner that may create roles. Any other owner fails here, by name, rather than leave a grant out.
DO $$
DECLARE
    app_role text;
    setting text;
BEGIN
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
    FOREACH app_role IN ARRAY ARRAY[
        'registration', 'healthcloud_bridge', 'health', 'gatekeeper', 'police_bridge', 'reporting', 'portal']
    LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = app_role) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', app_role);
            EXCEPTION
                WHEN duplicate_object OR unique_violation THEN NULL; -- Another database of this server was faster.
                WHEN insufficient_privilege THEN
                    RAISE EXCEPTION 'role % is missing on the key server and % may not create it', app_role, current_user;
            END;
        END IF;
        EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), app_role);
    END LOOP;
    -- For every role that comes here. All that happens here is short.
    FOREACH setting IN ARRAY ARRAY[
        'idle_in_transaction_session_timeout = ''2s''', 'lock_timeout = ''2s''', 'statement_timeout = ''5s''']
    LOOP
        EXECUTE format('ALTER DATABASE %I SET %s', current_database(), setting);
    END LOOP;
END
$$;

-- The gate must know who stands there, and must never be able to read anything about him.
GRANT EXECUTE ON FUNCTION identify TO registration, healthcloud_bridge, gatekeeper;
GRANT EXECUTE ON FUNCTION create_keys TO registration, healthcloud_bridge, health, police_bridge;
GRANT EXECUTE ON FUNCTION unwrap TO registration, healthcloud_bridge, health, police_bridge, reporting, portal;
GRANT EXECUTE ON FUNCTION destroy_key TO registration;

-- migrate: rollback
DROP FUNCTION destroy_key, unwrap, create_keys, identify;
DROP TABLE access, key, identity;
DROP FUNCTION refuse_change;
