-- The days of the city begin where those of the contracts are: with their sums, their positions, and what waits there.
-- depends: reporting_0009_days_of_city

-- migrate: apply

-- In one statement, so that all of it is of one moment: a worker of the release before goes on, and moves rows and positions together.
-- What has begun by itself is left alone. Where it begins at this very moment one of both finds a key taken, and undoes all it did.
-- What was discarded is in none of these sums, and stays on record for whom an operator decided it.
WITH nothing_yet AS (
    SELECT WHERE NOT EXISTS (SELECT FROM position WHERE subscriber = 'days_of_city_v1') AND NOT EXISTS (SELECT FROM day_of_city_v1)
), positions AS (
    INSERT INTO position (subscriber, source, shard, epoch, last_pos, last_event_id, digest_pos, last_digest)
    SELECT 'days_of_city_v1', source, shard, epoch, last_pos, last_event_id, digest_pos, last_digest
    FROM position, nothing_yet WHERE subscriber = 'days_of_contract_v1'
), waiting AS (
    INSERT INTO parked (subscriber, source, shard, pos, stream_id, version, type, data, meta, error, attempts, parked_at)
    SELECT 'days_of_city_v1', source, shard, pos, stream_id, version, type, data, meta, error, attempts, parked_at
    FROM parked, nothing_yet WHERE subscriber = 'days_of_contract_v1'
)
INSERT INTO day_of_city_v1 (day, partition, pre_registered, entered, refused, exited)
SELECT day, partition, sum(pre_registered), sum(entered), sum(refused), sum(exited) FROM day_v1, nothing_yet GROUP BY day, partition;

-- migrate: rollback
-- Without its positions it is filled from the beginning of the logs, or by this again.
DELETE FROM parked WHERE subscriber = 'days_of_city_v1';
DELETE FROM position WHERE subscriber = 'days_of_city_v1';
DELETE FROM day_of_city_v1;
