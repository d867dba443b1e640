-- Dispositions about many people, which a second person has to approve, see disposition_batches.py. Plain rows: the facts are in the log.
-- depends: health_0004_many_people

-- migrate: apply

CREATE TABLE disposition_batch (
    batch_id uuid PRIMARY KEY,
    contract_no text NOT NULL,
    person_ids uuid[] NOT NULL,
    disposition text NOT NULL,
    isolation_from date,
    isolation_until date,
    method text,
    reason_code text NOT NULL,
    -- Sealed under the key of each person, in the order of the people; NULL: none was given.
    evidence text[],
    release_documents text[],
    -- Accounts, not names.
    proposed_by text NOT NULL,
    proposed_at timestamptz NOT NULL,
    approved_by text,
    approved_at timestamptz,
    CHECK (approved_by <> proposed_by),
    CHECK ((approved_by IS NULL) = (approved_at IS NULL)),
    CHECK (evidence IS NULL OR cardinality(evidence) = cardinality(person_ids)),
    CHECK (release_documents IS NULL OR cardinality(release_documents) = cardinality(person_ids))
);

DO $$
DECLARE
    app_role text := regexp_replace(current_user, '_owner$', '');
BEGIN
    IF app_role <> current_user THEN
        EXECUTE format('GRANT SELECT, INSERT, UPDATE (approved_by, approved_at) ON disposition_batch TO %I', app_role);
    END IF;
END
$$;

-- migrate: rollback
DROP TABLE disposition_batch;
