-- Whose keys are gone: an erasure that was cut short is told of, though records of the person were unlinked since.
-- depends: keys_0008_registration_finds_people

-- migrate: apply

CREATE FUNCTION destroyed_among(wanted uuid[]) RETURNS SETOF uuid
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
    SELECT k.stream_id FROM key AS k WHERE k.stream_id = ANY (wanted) AND k.destroyed_at IS NOT NULL
$$;

REVOKE ALL ON FUNCTION destroyed_among FROM PUBLIC;
GRANT EXECUTE ON FUNCTION destroyed_among TO registration;

-- migrate: rollback
DROP FUNCTION destroyed_among;
