-- Who a document belongs to, for whoever only looks: an unknown document stays unknown.
-- depends: keys_0001_identities_and_keys

-- migrate: apply

CREATE FUNCTION find_person(wanted bytea) RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
    SELECT person_id FROM identity WHERE blind_index = wanted
$$;

REVOKE ALL ON FUNCTION find_person FROM PUBLIC;
GRANT EXECUTE ON FUNCTION find_person TO reporting;

-- migrate: rollback
DROP FUNCTION find_person;
