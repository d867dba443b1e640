-- Contracts are imported as files, too: such a file belongs to no contract, its `contract_no` is empty.
-- depends: registration_0003_imports

-- migrate: apply

ALTER TABLE import_file DROP CONSTRAINT import_file_kind_check;
ALTER TABLE import_file ADD CONSTRAINT import_file_kind_check CHECK (kind IN ('contract', 'roster', 'pre-registration'));

-- migrate: rollback
ALTER TABLE import_file DROP CONSTRAINT import_file_kind_check;
ALTER TABLE import_file ADD CONSTRAINT import_file_kind_check CHECK (kind IN ('roster', 'pre-registration'));
