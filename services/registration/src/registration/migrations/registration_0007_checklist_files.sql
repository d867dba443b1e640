-- Which files of checklists are on disk, and since when. No facts: what counts is whether the log names them.
-- depends: registration_0006_site_information

-- migrate: apply

CREATE TABLE checklist_file (
    site_id uuid NOT NULL,
    sha256 text NOT NULL,
    size_bytes bigint NOT NULL,
    handed_in_at timestamptz NOT NULL,
    named boolean NOT NULL DEFAULT false,
    PRIMARY KEY (site_id, sha256)
);
CREATE INDEX checklist_file_unnamed ON checklist_file (handed_in_at) WHERE NOT named;

DO $$
DECLARE
    app_role text := regexp_replace(current_user, '_owner$', '');
BEGIN
    IF app_role <> current_user THEN
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON checklist_file TO %I', app_role);
    END IF;
END
$$;

-- migrate: rollback
DROP TABLE checklist_file;
