-- Which records are of the same person, see chassis/same_people.py. Few have any other.
-- depends:

-- migrate: apply

-- There already where a service had made it for itself.
CREATE TABLE IF NOT EXISTS same_person_v1 (
    person_id uuid PRIMARY KEY,
    first_id uuid NOT NULL
);
CREATE INDEX IF NOT EXISTS same_person_v1_first ON same_person_v1 (first_id);

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
