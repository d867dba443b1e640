-- Whether there is somebody to erase, also whom no log says anything of: a document that was linked by mistake, an operator.
-- depends: keys_0004_people_left

-- migrate: apply

-- Something was sealed for the person; or was, and whoever destroyed the key may have been cut short before it was told.
CREATE FUNCTION is_erasable(wanted uuid) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
    SELECT EXISTS (
        SELECT FROM key AS k
        WHERE k.stream_id = wanted
          AND (k.destroyed_at IS NOT NULL OR EXISTS (SELECT FROM identity WHERE person_id = wanted)))
$$;

REVOKE ALL ON FUNCTION is_erasable FROM PUBLIC;
GRANT EXECUTE ON FUNCTION is_erasable TO registration;

-- migrate: rollback
DROP FUNCTION is_erasable;
