-- What the police says it has, see receipts.py, and its messages of a day.
-- depends: police_bridge_0003_erasures

-- migrate: apply

CREATE TABLE receipt (
    event_id uuid PRIMARY KEY,
    account text NOT NULL,
    received_at timestamptz NOT NULL
);
CREATE INDEX arrival_v1_of_day ON arrival_v1 (district, recorded_at);

DO $$
DECLARE
    app_role text := regexp_replace(current_user, '_owner$', '');
BEGIN
    IF app_role <> current_user THEN
        EXECUTE format('GRANT SELECT, INSERT ON receipt TO %I', app_role);
    END IF;
END
$$;

-- migrate: rollback
DROP INDEX arrival_v1_of_day;
DROP TABLE receipt;
