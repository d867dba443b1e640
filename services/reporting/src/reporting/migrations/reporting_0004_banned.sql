-- Who is banned, among all about whom something was decided.
-- depends: reporting_0003_employments_counted

-- migrate: apply

CREATE INDEX disposition_v1_banned ON disposition_v1 (person_id) WHERE disposition <> 'admissible';

-- migrate: rollback
DROP INDEX disposition_v1_banned;
