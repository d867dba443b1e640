-- Who is known on which contract, see read_models/known_people.py.
-- depends:

-- migrate: apply

CREATE TABLE known_person_v1 (
    contract_no text NOT NULL,
    person_id uuid NOT NULL,
    pre_registered_for text,
    rostered_for text,
    PRIMARY KEY (contract_no, person_id),
    CHECK (pre_registered_for IS NOT NULL OR rostered_for IS NOT NULL)
);
CREATE INDEX known_person_v1_person ON known_person_v1 (person_id);

DO $$
DECLARE
    app_role text := regexp_replace(current_user, '_owner$', '');
BEGIN
    IF app_role <> current_user THEN
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON known_person_v1 TO %I', app_role);
    END IF;
END
$$;

-- migrate: rollback
DROP TABLE known_person_v1;
