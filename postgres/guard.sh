#!/bin/sh
# Runs before the image's own entrypoint. Two servers never share a volume (S1), and no new cluster is
# made where signs of another one lie (S2). Refusals end with 78 and a line that says the way out.
set -eu
volume=${PGSTEAD_VOLUME:-/var/lib/postgresql}
cluster=$volume/pgstead.json
begun=$volume/.pgstead-init

refuse() {
  echo "pgstead: refused: $*" >&2
  exit 78
}

# The server inherits the descriptor, so the lock is free again when the last of it is gone, however
# it ended. A stopping server is given some seconds.
take_lock() {
  exec 9>>"$volume/.pgstead.lock"
  tries=0
  until flock -n 9; do
    tries=$((tries + 1))
    [ "$tries" -le "${PGSTEAD_LOCK_SECONDS:-15}" ] ||
      refuse "another server, or a restore, works on this volume; stop it first"
    sleep 1
  done
}

# A cluster whose making was cut short has never served anybody.
remove_unfinished() {
  [ -e "$begun" ] || return 0
  [ ! -e "$cluster" ] || { rm -f "$begun"; return 0; }
  echo "pgstead: the making of a cluster was cut short; starting over" >&2
  rm -rf "$PGDATA"
}

refuse_signs_of_data() {
  for found in "$volume"/PG_VERSION "$volume"/*/PG_VERSION "$volume"/*/*/PG_VERSION; do
    [ ! -e "$found" ] ||
      refuse "$PGDATA is empty, but $(dirname "$found") holds a cluster of version $(cat "$found"); a new one beside it would serve no data. Use the image of that version, or give this stack another volume"
  done
  [ ! -e "$cluster" ] ||
    refuse "$PGDATA is empty, but this volume held a cluster ($(cat "$cluster")); restore it. To begin anew remove $cluster"
}

refuse_other_base() {
  [ -e "$cluster" ] || return 0
  base=$(sed -n 's/.*"base":"\([a-z]*\)".*/\1/p' "$cluster")
  [ "${base:-$PGSTEAD_BASE}" = "$PGSTEAD_BASE" ] ||
    refuse "the cluster was made on $base and this image is $PGSTEAD_BASE: users and collations differ between them. Set postgres.base back to $base"
}

if [ "${1:-postgres}" = postgres ]; then
  take_lock
  remove_unfinished
  refuse_other_base
  if [ ! -s "$PGDATA/PG_VERSION" ]; then
    refuse_signs_of_data
    : >"$begun"
    # The superuser gets no password. "trust" would let everybody in, and reaches nobody: the server
    # reads /etc/pgstead/pg_hba.conf, and the last init file puts that in the cluster's place as well.
    export POSTGRES_HOST_AUTH_METHOD=trust
    export POSTGRES_INITDB_ARGS="--encoding=UTF8 --locale-provider=builtin --builtin-locale=C.UTF-8 --auth-local=peer --auth-host=scram-sha-256 ${POSTGRES_INITDB_ARGS:-}"
  fi
  chown postgres "$volume/.pgstead.lock" "$volume" 2>/dev/null || true
fi
exec docker-entrypoint.sh "$@"
