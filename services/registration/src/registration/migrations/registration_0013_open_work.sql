-- What is open on the contracts that an authority supervises, and who handed in which form and stood on which roster, see read_models/.
-- depends: registration_0012_operated_contracts

-- migrate: apply

-- Who supervises a contract.
CREATE TABLE contract_place_v1 (
    contract_no text PRIMARY KEY,
    station_name text NOT NULL,
    district text NOT NULL
);

-- What each person declared and which contract relies on what of it, and what follows: what is to be looked at.
CREATE TABLE reviewed_person_v1 (
    person_id uuid PRIMARY KEY,
    declared text NOT NULL,
    relied_on text NOT NULL
) WITH (fillfactor = 80);
CREATE TABLE review_item_v1 (
    contract_no text NOT NULL,
    person_id uuid NOT NULL,
    kind text NOT NULL,
    declaration_version integer NOT NULL,
    withdrawn_at timestamptz,
    PRIMARY KEY (contract_no, person_id, kind, declaration_version)
);

-- Who handed in the form of whom.
CREATE TABLE registrant_v1 (
    contract_no text NOT NULL,
    person_id uuid NOT NULL,
    as_family boolean NOT NULL,
    account text NOT NULL,
    role text NOT NULL,
    registered_at timestamptz NOT NULL,
    PRIMARY KEY (contract_no, person_id, as_family)
) WITH (fillfactor = 80);

-- Who stood on the roster of before (personal data stands here sealed).
CREATE TABLE roster_member_v1 (
    contract_no text NOT NULL,
    person_id uuid NOT NULL,
    person_kind text NOT NULL,
    trade text,
    employer_credit_code text NOT NULL,
    document_type text NOT NULL,
    document text NOT NULL,
    name text NOT NULL,
    PRIMARY KEY (contract_no, person_id)
) WITH (fillfactor = 80);

DO $$
DECLARE
    app_role text := regexp_replace(current_user, '_owner$', '');
BEGIN
    IF app_role <> current_user THEN
        EXECUTE format(
            'GRANT SELECT, INSERT, UPDATE, DELETE '
            'ON contract_place_v1, reviewed_person_v1, review_item_v1, registrant_v1, roster_member_v1 TO %I',
            app_role
        );
    END IF;
END
$$;

-- migrate: rollback
DROP TABLE roster_member_v1, registrant_v1, review_item_v1, reviewed_person_v1, contract_place_v1;
