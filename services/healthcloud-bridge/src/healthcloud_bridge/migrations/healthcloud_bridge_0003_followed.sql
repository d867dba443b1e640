-- Whose new declarations must not go unnoticed, see read_models/followed.py and poller.py.
-- depends: healthcloud_bridge_0002_lookup_count

-- migrate: apply

-- document and name are sealed under the person's key, as registration told them. due_at is the poller's own mark.
CREATE TABLE followed_v1 (
    person_id uuid NOT NULL,
    contract_no text NOT NULL,
    document text NOT NULL,
    document_type text NOT NULL,
    name text NOT NULL,
    followed_since timestamptz NOT NULL,
    due_at timestamptz NOT NULL DEFAULT '-infinity',
    PRIMARY KEY (person_id, contract_no)
) WITH (fillfactor = 70);
CREATE INDEX followed_v1_due ON followed_v1 (due_at);

-- The poller's mark says when, not since when: it is found by its index however many rows there are. polled_at stays until
-- no process knows it any more.
ALTER TABLE awaited_v1 ADD COLUMN due_at timestamptz NOT NULL DEFAULT '-infinity';
CREATE INDEX awaited_v1_due ON awaited_v1 (due_at);

DO $$
DECLARE
    app_role text := regexp_replace(current_user, '_owner$', '');
BEGIN
    IF app_role <> current_user THEN
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON followed_v1 TO %I', app_role);
    END IF;
END
$$;

-- migrate: rollback
DROP TABLE followed_v1;
ALTER TABLE awaited_v1 DROP COLUMN due_at;
