-- What each stream has told, see told.py.
-- depends:

-- migrate: apply

CREATE TABLE told_v1 (
    source text,
    stream_id uuid,
    facts bigint NOT NULL,
    digest text NOT NULL,
    PRIMARY KEY (source, stream_id)
);

DO $$
DECLARE
    app_role text := regexp_replace(current_user, '_owner$', '');
BEGIN
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON told_v1 TO %I', app_role);
END
$$;

-- migrate: rollback
DROP TABLE told_v1;
