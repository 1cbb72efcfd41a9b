#!/bin/sh
# Runs before the image's own entrypoint. Two servers never share a volume (S1), no new cluster is made
# where signs of another one lie (S2), and no server starts over files that it would read wrongly.
# Refusals end with 78 and a line that says what was found, what was expected and the way out. As "check"
# it only looks, which is how an image is tried on a volume before the server that serves it is stopped.
set -eu
volume=${PGSTEAD_VOLUME:-/var/lib/postgresql}
cluster=$volume/pgstead.json
begun=$volume/.pgstead-init
tls=/run/pgstead-tls
bring="or bring the data over into a new stack, which dumps it with its own server and loads it: pgstead adopt-volume STACK-data --stack NEWSTACK"

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
      refuse "another server, a restore or an adoption works on this volume; stop that first"
    sleep 1
  done
}

# Images before 18 declare a volume of their own there. Nothing stays in a tmpfs that is laid over it.
covers_image_volume() {
  [ "$PG_MAJOR" -lt 18 ] && [ "$1" = "$volume/data" ] || return 1
  case $2 in *" - tmpfs "*) return 0 ;; *) return 1 ;; esac
}

# A folder of the container goes with the container, and so would what is written there.
refuse_other_place() {
  case $PGDATA in
    "$volume"/*) ;;
    *) refuse "PGDATA is $PGDATA, which is not below $volume, where the volume is; leave PGDATA out" ;;
  esac
  hint=
  [ "$PG_MAJOR" -ge 18 ] ||
    hint=". An image of $PG_MAJOR declares one there by itself; --tmpfs $volume/data keeps it away"
  while read -r _ _ _ _ place kind; do
    case $place in "$volume"/*) ;; *) continue ;; esac
    ! covers_image_volume "$place" "$kind" || continue
    refuse "a volume is mounted at $place, expected is $volume: the cluster would lie elsewhere than its marks. Mount it at $volume, or bring it over with pgstead adopt-volume$hint"
  done </proc/self/mountinfo
}

# A cluster whose making was cut short has never served anybody.
remove_unfinished() {
  [ -e "$begun" ] || return 0
  [ ! -e "$cluster" ] || { rm -f "$begun"; return 0; }
  echo "pgstead: the making of a cluster was cut short; starting over" >&2
  rm -rf "$PGDATA"
}

refuse_signs_of_data() {
  [ ! -e "$volume/adopting" ] || [ "$PGDATA" = "$volume/adopting" ] ||
    refuse "$PGDATA is empty, and an adoption into this volume was cut short; run pgstead adopt-volume again, or to begin anew remove $volume/adopting"
  for found in "$volume"/PG_VERSION "$volume"/*/PG_VERSION "$volume"/*/*/PG_VERSION; do
    [ ! -e "$found" ] ||
      refuse "$PGDATA is empty, but $(dirname "$found") holds a cluster of version $(cat "$found"); a new one beside it would serve no data. Use the image of that version, $bring"
  done
  [ -z "$(ls -A "$PGDATA" 2>/dev/null)" ] ||
    refuse "$PGDATA holds files but no PG_VERSION: half of a cluster, or something else. Put the whole of it back, or move these files away to begin anew and load a backup (pgstead backup list)"
  [ ! -e "$cluster" ] ||
    refuse "$PGDATA is empty, but this volume held a cluster ($(cat "$cluster")). Put its files back, or remove $cluster to begin anew and load a backup (pgstead backup list)"
}

# What the volume remembers of the image that last served it.
remembered() {
  [ ! -e "$cluster" ] || sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p" "$cluster"
}

of_image() {
  pgstead-versions | sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p"
}

refuse_other_cluster() {
  found=$(cat "$PGDATA/PG_VERSION")
  [ "$found" = "$PG_MAJOR" ] ||
    refuse "$PGDATA holds a cluster of PostgreSQL $found and this image is $PG_MAJOR, which cannot read it. Set postgres.version back to $found, $bring"
  base=$(remembered base)
  [ "${base:-$PGSTEAD_BASE}" = "$PGSTEAD_BASE" ] ||
    refuse "the cluster was made on $base and this image is $PGSTEAD_BASE: users and collations differ between them. Set postgres.base back to $base, $bring"
  owner=$(stat -c %u "$PGDATA/PG_VERSION")
  [ "$owner" = "$(id -u postgres)" ] ||
    refuse "$PGDATA belongs to user $owner, and the server of this image is user $(id -u postgres): it comes from another image (alpine has 70, debian 999). Use the base it was made on, $bring"
  libc=$(remembered libc)
  [ "${libc:-$(of_image libc)}" = "$(of_image libc)" ] ||
    refuse "the cluster was served with $libc and this image has $(of_image libc): text indexes would be read in another order. Use an image with $libc, $bring"
  # musl knows one order only; that of glibc changes between releases.
  release=$(remembered release)
  if [ "$(of_image libc)" = glibc ] && [ "${release:-$(of_image release)}" != "$(of_image release)" ]; then
    accepts "release $(of_image release)" ||
      refuse "the cluster was served on $release and this image is $(of_image release): indexes over libc collations may be read in another order. Set postgres.baseImage back, or postgres.accept to [\"release $(of_image release)\"] and reindex them (select * from pg_collation where collprovider = 'c')"
  fi
}

# Named once in postgres.accept, one a line.
accepts() {
  printf '%s\n' "${PGSTEAD_ACCEPT:-}" | grep -qxF "$1"
}

# A disk that is full must not keep a server from starting that may start without this.
remember_image() {
  pgstead-versions | cmp -s - "$cluster" ||
    { pgstead-versions >"$cluster.new" && mv "$cluster.new" "$cluster"; } 2>/dev/null ||
    echo "pgstead: could not write $cluster" >&2
}

# The server takes no key that others than its user might read, and its user differs between images.
take_key() {
  [ -n "${PGSTEAD_TLS:-}" ] || return 0
  [ -e "$tls/server.key" ] || refuse "$tls holds no key, though TLS is asked for; pgstead up puts it there"
  install -m 644 "$tls/server.crt" /run/pgstead/server.crt
  install -m 600 -o postgres "$tls/server.key" /run/pgstead/server.key
}

if [ "${1:-}" = check ]; then
  if [ -s "$PGDATA/PG_VERSION" ]; then refuse_other_cluster; else refuse_signs_of_data; fi
  exit 0
fi

if [ "${1:-postgres}" = postgres ]; then
  refuse_other_place
  take_lock
  remove_unfinished
  if [ -s "$PGDATA/PG_VERSION" ]; then
    refuse_other_cluster
    remember_image
  else
    refuse_signs_of_data
    : >"$begun"
    # The superuser gets no password. "trust" would let everybody in, and reaches nobody: the server
    # reads /etc/pgstead/pg_hba.conf, and the last init file puts that in the cluster's place as well.
    export POSTGRES_HOST_AUTH_METHOD=trust
    export POSTGRES_INITDB_ARGS="--encoding=UTF8 --data-checksums --locale-provider=builtin --builtin-locale=C.UTF-8 --auth-local=peer --auth-host=scram-sha-256 ${POSTGRES_INITDB_ARGS:-}"
  fi
  take_key
  chown postgres "$volume/.pgstead.lock" "$volume" 2>/dev/null || true
fi
exec docker-entrypoint.sh "$@"
