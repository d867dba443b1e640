-- Whose declaration is waited for, see read_models/awaited.py and poller.py.
-- depends:

-- migrate: apply

-- document and name are sealed under the person's key, as registration told them. polled_at is the poller's own mark.
CREATE TABLE awaited_v1 (
    person_id uuid NOT NULL,
    contract_no text NOT NULL,
    document text NOT NULL,
    document_type text NOT NULL,
    name text NOT NULL,
    asked_at timestamptz NOT NULL,
    polled_at timestamptz NOT NULL DEFAULT '-infinity',
    PRIMARY KEY (person_id, contract_no)
) WITH (fillfactor = 70);
CREATE INDEX awaited_v1_polled ON awaited_v1 (polled_at);

DO $$
DECLARE
    app_role text := regexp_replace(current_user, '_owner$', '');
BEGIN
    IF app_role <> current_user THEN
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON awaited_v1 TO %I', app_role);
    END IF;
END
$$;

-- migrate: rollback
DROP TABLE awaited_v1;
