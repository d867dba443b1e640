-- How many employments each contract has, so that a page of 用工查询 need not count those of the whole city.
-- depends: reporting_0002_people

-- migrate: apply

DROP TABLE engagement_v1;

-- For whom, and since when, somebody is on a contract now; and for whom he ever was registered there.
CREATE TABLE engagement_v2 (
    contract_no text NOT NULL,
    person_id uuid NOT NULL,
    pre_registered boolean NOT NULL,
    pre_registered_for text,
    pre_registered_at timestamptz,
    registered_for text,
    entered_at timestamptz,
    employers text NOT NULL,
    PRIMARY KEY (contract_no, person_id)
) WITH (fillfactor = 80);

CREATE TABLE employment_count_v2 (
    contract_no text NOT NULL,
    partition integer NOT NULL,
    employments integer NOT NULL,
    PRIMARY KEY (contract_no, partition)
) WITH (fillfactor = 50);

DO $$
DECLARE
    app_role text := regexp_replace(current_user, '_owner$', '');
BEGIN
    IF app_role <> current_user THEN
        EXECUTE format('GRANT SELECT, INSERT, UPDATE ON engagement_v2, employment_count_v2 TO %I', app_role);
    END IF;
END
$$;

-- migrate: rollback
DROP TABLE employment_count_v2, engagement_v2;
CREATE TABLE engagement_v1 (
    contract_no text NOT NULL,
    person_id uuid NOT NULL,
    pre_registered_for text,
    pre_registered_at timestamptz,
    registered_for text,
    entered_at timestamptz,
    PRIMARY KEY (contract_no, person_id)
) WITH (fillfactor = 80);
