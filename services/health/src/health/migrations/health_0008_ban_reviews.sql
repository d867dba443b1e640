-- Which bans have to be looked at again, see read_models/ban_reviews.py, and what a disposition of many says of it.
-- depends: health_0007_corrected_reports

-- migrate: apply

CREATE TABLE ban_v1 (
    person_id uuid PRIMARY KEY,
    disposition text NOT NULL,
    banned_at timestamptz NOT NULL,
    review_on date NOT NULL,
    objected_at timestamptz
);

ALTER TABLE disposition_batch ADD COLUMN review_on date;

DO $$
DECLARE
    app_role text := regexp_replace(current_user, '_owner$', '');
BEGIN
    IF app_role <> current_user THEN
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON ban_v1 TO %I', app_role);
    END IF;
END
$$;

-- migrate: rollback
ALTER TABLE disposition_batch DROP COLUMN review_on;
DROP TABLE ban_v1;
