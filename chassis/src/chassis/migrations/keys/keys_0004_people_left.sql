-- Whoever a document leads to, for whoever erases everybody: a page of ids at a time.
-- depends: keys_0003_access_of_person

-- migrate: apply

CREATE FUNCTION people_after(after uuid, people_max integer) RETURNS SETOF uuid
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
    SELECT DISTINCT person_id FROM identity WHERE person_id > after ORDER BY person_id LIMIT people_max
$$;

REVOKE ALL ON FUNCTION people_after FROM PUBLIC;
GRANT EXECUTE ON FUNCTION people_after TO registration;

-- migrate: rollback
DROP FUNCTION people_after;
