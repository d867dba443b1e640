-- What gatekeeper is asked about a contract, see read_models/. No personal data.
-- depends: gatekeeper_0001_freshness

-- migrate: apply

-- Where the attempts of a contract stand in the log.
CREATE TABLE attempt_v1 (
    contract_no text NOT NULL,
    shard smallint NOT NULL,
    pos bigint NOT NULL,
    at timestamptz NOT NULL,
    kind text NOT NULL,
    outcome text NOT NULL,
    needs_review boolean NOT NULL,
    PRIMARY KEY (contract_no, shard, pos)
);
CREATE INDEX attempt_v1_latest ON attempt_v1 (contract_no, at, shard, pos);
CREATE INDEX attempt_v1_to_review ON attempt_v1 (contract_no, at, shard, pos) WHERE needs_review;

-- Who was or is on a site.
CREATE TABLE roster_v1 (
    contract_no text NOT NULL,
    person_id uuid NOT NULL,
    employer_credit_code text,
    person_kind text,
    trade text,
    rostered boolean NOT NULL,
    on_site boolean NOT NULL,
    entered_at timestamptz,
    left_at timestamptz,
    PRIMARY KEY (contract_no, person_id)
) WITH (fillfactor = 80);

-- Whom a disposition keeps out of every site.
CREATE TABLE banned_v1 (
    person_id uuid PRIMARY KEY,
    disposition text NOT NULL,
    since timestamptz NOT NULL
);

DO $$
DECLARE
    app_role text := regexp_replace(current_user, '_owner$', '');
BEGIN
    IF app_role <> current_user THEN
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON attempt_v1, roster_v1, banned_v1 TO %I', app_role);
    END IF;
END
$$;

-- migrate: rollback
DROP TABLE banned_v1, roster_v1, attempt_v1;
