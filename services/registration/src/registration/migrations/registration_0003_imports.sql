-- Imports of files: what was handed in, row by row, and what became of it (imports/ledger.py). Plain tables: the facts are in the log.
-- depends: registration_0002_forms_are_dropped

-- migrate: apply

CREATE TABLE import_file (
    import_id uuid PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('roster', 'pre-registration')),
    contract_no text NOT NULL,
    account text NOT NULL,
    -- The firm whose people alone the account may register; NULL: anybody's.
    employer_credit_code text,
    is_dry_run boolean NOT NULL,
    -- SHA-256 of the file.
    digest bytea NOT NULL CHECK (octet_length(digest) = 32),
    header text[] NOT NULL,
    handed_in_at timestamptz NOT NULL,
    -- Files take turns.
    turn_at timestamptz NOT NULL,
    finished_at timestamptz,
    -- When the key of its rows was destroyed.
    forgotten_at timestamptz
);
-- The same file, handed in again while it is being worked on, is the same import.
CREATE UNIQUE INDEX import_file_at_work ON import_file (kind, contract_no, account, is_dry_run, digest) WHERE finished_at IS NULL;
CREATE INDEX import_file_turn ON import_file (turn_at) WHERE finished_at IS NULL;
CREATE INDEX import_file_to_forget ON import_file (finished_at) WHERE forgotten_at IS NULL;

CREATE TABLE import_row (
    import_id uuid NOT NULL REFERENCES import_file,
    -- As a spreadsheet counts: the header is row 1.
    row_no integer NOT NULL,
    -- NULL: its turn has not come.
    outcome text CHECK (outcome IN ('applied', 'unchanged', 'awaiting', 'refused')),
    code text,
    wrong_columns text[] NOT NULL DEFAULT '{}',
    -- The cells, sealed under the import's own key; gone once the row is taken.
    content text,
    PRIMARY KEY (import_id, row_no),
    CHECK (coalesce(outcome, '') = 'refused' OR code IS NULL)
) WITH (fillfactor = 80);
CREATE INDEX import_row_kept ON import_row (import_id) WHERE content IS NOT NULL;
CREATE INDEX import_row_waiting ON import_row (import_id, row_no) WHERE outcome IS NULL;

DO $$
DECLARE
    app_role text := regexp_replace(current_user, '_owner$', '');
BEGIN
    IF app_role <> current_user THEN
        EXECUTE format('GRANT SELECT, INSERT, UPDATE ON import_file, import_row TO %I', app_role);
    END IF;
END
$$;

-- migrate: rollback
DROP TABLE import_row, import_file;
