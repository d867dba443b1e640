-- Which contract banned somebody, see read_models/ban_reviews.py and read_models/known_people.py.
-- depends: health_0008_ban_reviews

-- migrate: apply

CREATE TABLE ban_v2 (
    person_id uuid PRIMARY KEY,
    disposition text NOT NULL,
    banned_at timestamptz NOT NULL,
    review_on date NOT NULL,
    contract_no text,
    objected_at timestamptz
);

DO $$
DECLARE
    app_role text := regexp_replace(current_user, '_owner$', '');
BEGIN
    IF app_role <> current_user THEN
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON ban_v2 TO %I', app_role);
    END IF;
END
$$;

-- migrate: rollback
DROP TABLE ban_v2;
