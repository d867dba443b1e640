-- Which incarnation of its topics each partition of the relay has published to, and how far: by this a topic that was lost is noticed.
-- depends: work_0002_parking

-- migrate: apply

CREATE TABLE relayed_topic (
    relay_partition integer NOT NULL,
    topic text NOT NULL,
    topic_id text NOT NULL,
    -- The offset behind the last record that the broker acknowledged to this partition of the relay.
    end_offset bigint NOT NULL,
    PRIMARY KEY (relay_partition, topic)
) WITH (fillfactor = 50);

DO $$
DECLARE
    app_role text := regexp_replace(current_user, '_owner$', '');
BEGIN
    IF app_role <> current_user THEN
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON relayed_topic TO %I', app_role);
    END IF;
END
$$;

-- migrate: rollback
DROP TABLE relayed_topic;
