-- Who was given one person's key, for the person's own record: newest first, a page at a time.
-- depends: keys_0002_find_people

-- migrate: apply

CREATE INDEX access_of_stream ON access USING gin (stream_ids) WHERE purpose <> 'seal';

CREATE FUNCTION access_of(wanted uuid, before bigint, page_max integer)
RETURNS TABLE (access_id bigint, at timestamptz, service text, actor text, purpose text)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
    -- Found by the index first: a plan that walks the newest rows of everybody until enough are this person's may read them all.
    WITH found AS MATERIALIZED (
        SELECT a.access_id, a.at, a.service, a.actor, a.purpose FROM access AS a
        WHERE a.stream_ids @> ARRAY[wanted] AND a.purpose <> 'seal'
    )
    SELECT * FROM found WHERE found.access_id < before ORDER BY found.access_id DESC LIMIT page_max
$$;

REVOKE ALL ON FUNCTION access_of FROM PUBLIC;
GRANT EXECUTE ON FUNCTION access_of TO reporting;

-- migrate: rollback
DROP FUNCTION access_of;
DROP INDEX access_of_stream;
