-- Which records are of the same person, see read_models/same_people.py. Few have any other.
-- depends: gatekeeper_0004_contract_places

-- migrate: apply

CREATE TABLE same_person_v1 (
    person_id uuid PRIMARY KEY,
    first_id uuid NOT NULL
);
CREATE INDEX same_person_v1_first ON same_person_v1 (first_id);

DO $$
DECLARE
    app_role text := regexp_replace(current_user, '_owner$', '');
BEGIN
    IF app_role <> current_user THEN
        EXECUTE format('GRANT SELECT, INSERT, UPDATE ON same_person_v1 TO %I', app_role);
    END IF;
END
$$;

-- migrate: rollback
DROP TABLE same_person_v1;
