-- Of which contracts a project lead ever let somebody act, see read_models/operated_contracts.py.
-- depends: registration_0011_import_roles

-- migrate: apply

CREATE TABLE operated_contract_v1 (
    operator_id uuid NOT NULL,
    contract_no text NOT NULL,
    PRIMARY KEY (operator_id, contract_no)
);

DO $$
DECLARE
    app_role text := regexp_replace(current_user, '_owner$', '');
BEGIN
    IF app_role <> current_user THEN
        EXECUTE format('GRANT SELECT, INSERT ON operated_contract_v1 TO %I', app_role);
    END IF;
END
$$;

-- migrate: rollback
DROP TABLE operated_contract_v1;
