-- What each declaration said, and who has looked at what is odd about it.
-- depends: registration_0008_family

-- migrate: apply

CREATE TABLE declaration_version_v1 (
    person_id uuid NOT NULL,
    version integer NOT NULL,
    name_fingerprint text NOT NULL,
    pinned text NOT NULL,
    contradictions text NOT NULL,
    PRIMARY KEY (person_id, version)
);

CREATE TABLE review_settlement_v1 (
    contract_no text NOT NULL,
    person_id uuid NOT NULL,
    kind text NOT NULL,
    declaration_version integer NOT NULL,
    settled_by text NOT NULL,
    note text NOT NULL,
    settled_at timestamptz NOT NULL,
    PRIMARY KEY (contract_no, person_id, kind, declaration_version)
);

DO $$
DECLARE
    app_role text := regexp_replace(current_user, '_owner$', '');
BEGIN
    IF app_role <> current_user THEN
        EXECUTE format('GRANT SELECT, INSERT, UPDATE ON declaration_version_v1, review_settlement_v1 TO %I', app_role);
    END IF;
END
$$;

-- migrate: rollback
DROP TABLE declaration_version_v1, review_settlement_v1;
