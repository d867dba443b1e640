#!/bin/sh
# PostgreSQL's archive_command, `archive.sh %p %f`: keeps a finished file of the WAL, packed, in the folder $BACKUPS/wal.
#
# The server asks again until this succeeds, and keeps the file so long. What is kept is never written over: the same content is
# a repeat after a crash; other content is another server's, and then this fails until somebody looks.
set -eu
umask 077
kept=$BACKUPS/wal/$2.gz

if [ -e "$kept" ]; then
    gunzip --stdout "$kept" | cmp --quiet - "$1"
    exit
fi
mkdir -p "$BACKUPS/wal"
gzip --fast --stdout "$1" >"$kept.part"
sync "$kept.part"
mv "$kept.part" "$kept"
sync "$BACKUPS/wal"
