-- Whose isolation is over on which day, and who supervises the contract, see read_models/isolation_ends.py.
-- depends: health_0005_disposition_batches

-- migrate: apply

CREATE TABLE isolation_order_v1 (
    person_id uuid NOT NULL,
    order_id uuid NOT NULL,
    anchor_date date NOT NULL,
    admissible_on date NOT NULL,
    PRIMARY KEY (person_id, order_id)
);
CREATE INDEX isolation_order_v1_day ON isolation_order_v1 (admissible_on, person_id);

CREATE TABLE contract_place_v1 (
    contract_no text PRIMARY KEY,
    station_name text NOT NULL,
    district text NOT NULL
);

DO $$
DECLARE
    app_role text := regexp_replace(current_user, '_owner$', '');
BEGIN
    IF app_role <> current_user THEN
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON isolation_order_v1, contract_place_v1 TO %I', app_role);
    END IF;
END
$$;

-- migrate: rollback
DROP TABLE contract_place_v1, isolation_order_v1;
