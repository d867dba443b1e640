-- Whatever can be opened though no document leads to it, for whoever erases everybody: a site's team, the rows of a file.
-- depends: keys_0005_erasable

-- migrate: apply

CREATE FUNCTION other_keys_after(after uuid, keys_max integer) RETURNS SETOF uuid
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
    SELECT k.stream_id FROM key AS k
    WHERE k.stream_id > after AND k.wrapped_key IS NOT NULL
      AND NOT EXISTS (SELECT FROM identity AS i WHERE i.person_id = k.stream_id)
    ORDER BY k.stream_id LIMIT keys_max
$$;

REVOKE ALL ON FUNCTION other_keys_after FROM PUBLIC;
GRANT EXECUTE ON FUNCTION other_keys_after TO registration;

-- migrate: rollback
DROP FUNCTION other_keys_after;
