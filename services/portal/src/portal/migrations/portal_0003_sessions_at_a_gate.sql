-- Sessions of the tablet at a turnstile: it asks the gate of one contract, and does nothing else.
-- depends: portal_0002_people_who_sign_in

-- migrate: apply
ALTER TABLE session
    ADD COLUMN gate_contract_no text,
    ADD CONSTRAINT a_gate_is_opened_by_a_user_of_sites CHECK (gate_contract_no IS NULL OR user_id IS NOT NULL);

-- migrate: rollback
ALTER TABLE session DROP CONSTRAINT a_gate_is_opened_by_a_user_of_sites, DROP COLUMN gate_contract_no;
