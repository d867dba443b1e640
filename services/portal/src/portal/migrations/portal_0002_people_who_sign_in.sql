-- People who sign in, their codes and their sessions. Numbers, mobiles, codes and cookies are here only as keyed digests.
-- depends: portal_0001_accounts

-- migrate: apply

-- A user of sites: signs in with 个人身份证号, 手机号 and 验证码.
CREATE TABLE site_user (
    user_id uuid PRIMARY KEY,
    document_digest bytea NOT NULL UNIQUE,
    mobile_digest bytea NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- What he may do where. The same person may lead one contract and operate another.
CREATE TABLE site_grant (
    user_id uuid NOT NULL REFERENCES site_user ON DELETE CASCADE,
    contract_no text NOT NULL,
    role text NOT NULL,
    employer_credit_code text,
    PRIMARY KEY (user_id, contract_no)
);

-- A supervisor: signs in with account, password and one-time password.
CREATE TABLE supervisor (
    account text PRIMARY KEY,
    password_hash text NOT NULL,
    totp_secret bytea NOT NULL,
    role text NOT NULL,
    stations text[] NOT NULL,
    districts text[] NOT NULL,
    failures integer NOT NULL DEFAULT 0,
    locked_until timestamptz,
    totp_step bigint NOT NULL DEFAULT 0,
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- A code that was asked for, also in the name of nobody: then it opens nothing.
CREATE TABLE login_code (
    challenge_digest bytea PRIMARY KEY,
    user_id uuid REFERENCES site_user ON DELETE CASCADE,
    document_digest bytea NOT NULL,
    mobile_digest bytea NOT NULL,
    code_digest bytea NOT NULL,
    failures integer NOT NULL DEFAULT 0,
    sent_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX login_code_by_document ON login_code (document_digest, sent_at);

CREATE TABLE session (
    session_digest bytea PRIMARY KEY,
    user_id uuid REFERENCES site_user ON DELETE CASCADE,
    account text REFERENCES supervisor ON DELETE CASCADE,
    seen jsonb NOT NULL DEFAULT '{}',
    began_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    used_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CHECK ((user_id IS NULL) <> (account IS NULL))
);
CREATE INDEX session_by_age ON session (began_at);

DO $$
DECLARE
    app_role text := regexp_replace(current_user, '_owner$', '');
BEGIN
    IF app_role <> current_user THEN
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON site_user, site_grant, supervisor, login_code, session TO %I', app_role);
    END IF;
END
$$;

-- migrate: rollback
DROP TABLE session, login_code, supervisor, site_grant, site_user;
