-- An objection stays until somebody has looked at the ban, see read_models/ban_reviews.py: filled anew, for those that were lost.
-- depends: health_0010_who_banned

-- migrate: apply

CREATE TABLE ban_v3 (
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
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON ban_v3 TO %I', app_role);
    END IF;
END
$$;

-- migrate: rollback
DROP TABLE ban_v3;
