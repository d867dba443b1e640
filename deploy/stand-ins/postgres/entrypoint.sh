#!/bin/sh
# As the public image: makes a cluster with the superuser that the environment names, unless there is one; then the server.
set -eu
[ "${1#-}" = "$1" ] || set -- postgres "$@"
if [ "$(id -u)" = 0 ]; then
    mkdir -p "$PGDATA"
    chown postgres:postgres "$PGDATA" "$(dirname "$PGDATA")"
    exec setpriv --reuid=postgres --regid=postgres --init-groups -- /bin/sh "$0" "$@"
fi
if [ ! -f "$PGDATA/PG_VERSION" ]; then
    password_file=${POSTGRES_PASSWORD_FILE:-$(mktemp)}
    [ -z "${POSTGRES_PASSWORD:-}" ] || printf '%s' "$POSTGRES_PASSWORD" >"$password_file"
    # Beside it and moved: one that was cut short never looks finished. The options are words, as the public image takes them.
    draft=$PGDATA.draft
    rm -rf "$draft"
    # shellcheck disable=SC2086
    initdb --username="${POSTGRES_USER:-postgres}" --pwfile="$password_file" --auth=scram-sha-256 ${POSTGRES_INITDB_ARGS:-} -D "$draft"
    echo 'host all all all scram-sha-256' >>"$draft/pg_hba.conf"
    rmdir "$PGDATA" 2>/dev/null || true
    mv -T "$draft" "$PGDATA"
fi
exec "$@" '-clisten_addresses=*'
