#!/bin/sh
# Makes a base backup of a running server in $BACKUPS/base, checks it, tells the server, and throws away what is older than
# $KEPT_DAYS days: base backups, and the WAL before the oldest that is left. The last good one always stays.
#
# It connects as PG… say. Each base backup is a folder that is called as the time when it was whole, in UTC: YYYYMMDDhhmmss.
set -eu
umask 077
if [ -z "${PGPASSWORD:-}" ]; then
    PGPASSWORD=$(cat /run/secrets/superuser)
fi
export PGPASSWORD PGUSER=postgres PGDATABASE=postgres PGCONNECT_TIMEOUT=10

ask() {
    # From standard input: each statement is a transaction of its own.
    echo "$1" | psql --quiet --no-psqlrc --tuples-only --no-align --set ON_ERROR_STOP=1
}

draft=$BACKUPS/base/.draft
mkdir -p "$BACKUPS/base" "$BACKUPS/wal"
rm -rf "$draft"
pg_basebackup --pgdata="$draft" --checkpoint=fast --wal-method=stream --label=gatehouse
pg_verifybackup --quiet "$draft"
# The second has begun when it was whole: whatever is restored to a later second finds all of it.
made=$(ask "SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')")
name=$(echo "$made" | tr --delete --complement '[:digit:]')
mv -T "$draft" "$BACKUPS/base/$name"
sync "$BACKUPS/base"

# Whoever is connected can ask how old the last one is: current_setting('gatehouse.base_backup_at', true).
ask "
SET gatehouse.base_backup_at = '$made';
ALTER SYSTEM SET gatehouse.base_backup_at = '$made';
SELECT pg_reload_conf();" >/dev/null
oldest=$(ask "SELECT to_char((now() - interval '$KEPT_DAYS days') AT TIME ZONE 'UTC', 'YYYYMMDDHH24MISS')")
for base in "$BACKUPS"/base/[0-9]*; do
    [ "${base##*/}" -ge "$oldest" ] || [ "${base##*/}" = "$name" ] || rm -rf "$base"
done
for base in "$BACKUPS"/base/[0-9]*; do
    needed=$(sed -n 's/^START WAL LOCATION: .*(file \([0-9A-F]*\))$/\1/p' "$base/backup_label")
    pg_archivecleanup -x .gz "$BACKUPS/wal" "$needed"
    break
done
echo "$BACKUPS/base/$name"
