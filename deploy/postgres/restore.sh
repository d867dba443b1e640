#!/bin/sh
# Puts a base backup of $BACKUPS in the place of the cluster $PGDATA. When the server is started it takes in the WAL behind it:
# all that is archived, or as far as a time, `restore.sh '2020-02-20 08:30:00+08'`. It answers nobody before it is through.
#
# The server must be down. A cluster that is there is moved aside, to $PGDATA.until-…; what it had not archived yet is used.
set -eu
umask 077
until=${1:-}
draft=$PGDATA.draft

if [ -e "$PGDATA/postmaster.pid" ]; then
    echo "$PGDATA has a postmaster.pid: stop its server. If it was killed and nothing runs, delete that file." >&2
    exit 1
fi
for file in "$BACKUPS"/wal/*.gz; do
    # One that cannot be read would end the recovery there, and nobody would be told.
    [ ! -e "$file" ] || gzip --test "$file"
done

chosen=
for base in "$BACKUPS"/base/[0-9]*; do
    if [ -d "$base" ] && { [ -z "$until" ] || [ "${base##*/}" -lt "$(date --utc --date="$until" +%Y%m%d%H%M%S)" ]; }; then
        chosen=$base
    fi
done
if [ -z "$chosen" ]; then
    echo "$BACKUPS/base has no backup${until:+ from before $until}." >&2
    exit 1
fi

rm -rf "$draft"
cp -a "$chosen" "$draft"
if [ -e "$PGDATA" ]; then
    aside=$PGDATA.until-$(date --utc +%Y%m%d%H%M%S)
    mv -T "$PGDATA" "$aside"
    find "$aside/pg_wal" -maxdepth 1 -type f -name '????????????????????????' -exec cp -a {} "$draft/pg_wal" \;
    echo "What was there is in $aside: delete it once all is well."
fi
# What an earlier restore left here would count, too: the last line of each counts.
cat >>"$draft/postgresql.auto.conf" <<CONF
restore_command = 'gunzip --stdout "$BACKUPS/wal/%f.gz" >"%p"'
recovery_target_time = '$until'
recovery_target_action = 'promote'
hot_standby = 'off'
CONF
touch "$draft/recovery.signal"
mv -T "$draft" "$PGDATA"
echo "$PGDATA is the backup $chosen. Start its server: it takes in the WAL${until:+ until $until}, and then goes on by itself."
