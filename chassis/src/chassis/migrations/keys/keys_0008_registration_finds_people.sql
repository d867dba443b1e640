-- Whoever signs in is looked for by his document, and becomes nobody's acquaintance by that.
-- depends: keys_0007_vacuum_identities

-- migrate: apply
GRANT EXECUTE ON FUNCTION find_person TO registration;

-- migrate: rollback
REVOKE EXECUTE ON FUNCTION find_person FROM registration;
