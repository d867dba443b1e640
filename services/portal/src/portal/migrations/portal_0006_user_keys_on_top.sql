-- The key of the digests may be changed, by another on top of it: see user_keys.py (ADR 53).
-- depends: portal_0005_operators

-- migrate: apply

-- How many keys lie on top of each other, with a mark of all together: the newest row counts. A process that was told others would
-- know nobody.
CREATE TABLE user_key (
    generation smallint PRIMARY KEY CHECK (generation > 0),
    mark bytea NOT NULL CHECK (octet_length(mark) = 32),
    counts_since timestamptz NOT NULL DEFAULT clock_timestamp()
);

DO $$
DECLARE
    app_role text := regexp_replace(current_user, '_owner$', '');
BEGIN
    IF app_role <> current_user THEN
        EXECUTE format('GRANT SELECT, INSERT ON user_key TO %I', app_role);
    END IF;
END
$$;

-- migrate: rollback
DO $$
BEGIN
    IF (SELECT max(generation) FROM user_key) > 1 THEN
        RAISE EXCEPTION 'users are found by digests that the release before does not know' USING ERRCODE = 'object_in_use';
    END IF;
END
$$;
DROP TABLE user_key;
