-- Who works on what (workers, leases), how far each reader has come, and how long any session may hold a lock.
-- depends:

-- migrate: apply

-- A worker is alive until expires_at, by the database's clock; it says so about once a second.
CREATE TABLE worker (
    owner uuid PRIMARY KEY,
    expires_at timestamptz NOT NULL
) WITH (fillfactor = 50);

-- A name is held while its owner is alive. The token rises with every acquisition and is the fence: whoever writes on
-- behalf of the name locks this row with its token first.
CREATE TABLE lease (
    name text PRIMARY KEY,
    owner uuid,
    token bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);

-- The last position of a source's shard that a subscriber (read model, policy) has taken in. Changes together with what it wrote.
CREATE TABLE position (
    subscriber text NOT NULL,
    source text NOT NULL,
    shard smallint NOT NULL,
    epoch bigint NOT NULL,
    last_pos bigint NOT NULL,
    PRIMARY KEY (subscriber, source, shard)
) WITH (fillfactor = 50);

-- Where to go on reading a Kafka partition. A hint: the positions are the truth.
CREATE TABLE next_offset (
    source text NOT NULL,
    partition integer NOT NULL,
    kafka_offset bigint NOT NULL,
    PRIMARY KEY (source, partition)
) WITH (fillfactor = 50);

-- The relay's mark: the last position of a shard that the broker has acknowledged.
CREATE TABLE published (
    shard smallint PRIMARY KEY,
    last_pos bigint NOT NULL
) WITH (fillfactor = 10);

DO $$
DECLARE
    app_role text := regexp_replace(current_user, '_owner$', '');
    setting text;
BEGIN
    IF app_role <> current_user THEN
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON worker, lease, position, next_offset, published TO %I', app_role);
    END IF;
    -- A frozen process may hold a row lock no longer than this, so that whoever takes over is not kept waiting.
    FOREACH setting IN ARRAY ARRAY[
        'idle_in_transaction_session_timeout = ''2s''', 'lock_timeout = ''2s''', 'statement_timeout = ''30s''']
    LOOP
        EXECUTE format('ALTER DATABASE %I SET %s', current_database(), setting);
    END LOOP;
END
$$;

-- migrate: rollback
DROP TABLE published, next_offset, position, lease, worker;
