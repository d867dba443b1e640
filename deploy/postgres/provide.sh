#!/bin/sh
# Makes the roles and databases of one server, or sets their passwords anew. Repeating it changes nothing.
#
# /run/secrets/roles has a role and its password on each line; each role whose name ends in `_owner` owns the database that is
# called as the rest. PGHOST is the server, /run/secrets/superuser the password of `postgres`.
set -eu
PGPASSWORD=$(cat /run/secrets/superuser)
export PGPASSWORD PGUSER=postgres PGDATABASE=postgres PGCONNECT_TIMEOUT=10

provide() {
    # From standard input and not as arguments: a command line can be read by everybody.
    psql --quiet --no-psqlrc --set ON_ERROR_STOP=1 --set VERBOSITY=terse --file - "$@"
}

while read -r role password; do
    { printf '\\set role %s\n\\set password %s\n' "$role" "$password"; cat /etc/gatehouse/postgres/role.sql; } | provide
done </run/secrets/roles

while read -r role _; do
    case $role in
        *_owner) provide --set name="${role%_owner}" </etc/gatehouse/postgres/database.sql ;;
    esac
done </run/secrets/roles
