-- Users of sites whom a project lead let act: registration says what they may, this table by which names it is asked.
-- depends: portal_0004_signing_keys

-- migrate: apply

-- Of whoever has an account for that alone, `document_digest` is one of document and mobile together: somebody who signs in with
-- another mobile is somebody else, for all that is known.
ALTER TABLE site_user
    ADD COLUMN operator_id uuid,
    ADD COLUMN mobile_fingerprint text;

-- migrate: rollback
ALTER TABLE site_user
    DROP COLUMN operator_id,
    DROP COLUMN mobile_fingerprint;
