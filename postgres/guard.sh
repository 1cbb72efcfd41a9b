#!/bin/sh
# Runs before the image's own entrypoint. Two servers never share a volume (S1), no new cluster is created
# in a volume with files of another one (S2), and no server starts on files that it would misread.
# A refusal exits with 78 and a line that says what was found, what was expected and what to do.
# "pgstead-guard check" changes nothing: it tests an image on a volume while the old server still runs.
set -eu
volume=${PGSTEAD_VOLUME:-/var/lib/postgresql}
cluster=$volume/pgstead.json
unfinished=$volume/.pgstead-init
tls=/run/pgstead-tls
copy_hint="or copy the data to a new stack, which dumps it with its own server and loads it: pgstead adopt-volume STACK-data --stack NEWSTACK"

refuse() {
  echo "pgstead: refused: $*" >&2
  exit 78
}

# The server's processes inherit the descriptor. So the lock is free when the last of them has ended, also
# after a kill. A server that is stopping gets some seconds.
take_lock() {
  exec 9>>"$volume/.pgstead.lock"
  tries=0
  until flock -n 9; do
    tries=$((tries + 1))
    [ "$tries" -le "${PGSTEAD_LOCK_SECONDS:-15}" ] ||
      refuse "another server, a restore or an adoption uses this volume; stop it first"
    sleep 1
  done
}

# Images before 18 declare a volume at this path. A tmpfs mounted there hides that volume and keeps no data.
hides_image_volume() {
  [ "$PG_MAJOR" -lt 18 ] && [ "$1" = "$volume/data" ] || return 1
  case $2 in *" - tmpfs "*) return 0 ;; *) return 1 ;; esac
}

# Files outside the volume are deleted together with the container.
refuse_other_path() {
  case $PGDATA in
    "$volume"/*) ;;
    *) refuse "PGDATA is $PGDATA, which is not below $volume, where the volume is; do not set PGDATA" ;;
  esac
  hint=
  [ "$PG_MAJOR" -ge 18 ] ||
    hint=". An image of $PG_MAJOR declares a volume there; --tmpfs $volume/data hides it"
  while read -r _ _ _ _ path kind; do
    case $path in "$volume"/*) ;; *) continue ;; esac
    ! hides_image_volume "$path" "$kind" || continue
    refuse "a volume is mounted at $path, expected is $volume: the cluster and pgstead.json would be in different volumes. Mount it at $volume, or copy its data with pgstead adopt-volume$hint"
  done </proc/self/mountinfo
}

# No client has ever used a cluster whose creation was interrupted.
remove_unfinished() {
  [ -e "$unfinished" ] || return 0
  [ ! -e "$cluster" ] || { rm -f "$unfinished"; return 0; }
  echo "pgstead: the creation of the cluster was interrupted; starting over" >&2
  rm -rf "$PGDATA"
}

refuse_signs_of_data() {
  [ ! -e "$volume/adopting" ] || [ "$PGDATA" = "$volume/adopting" ] ||
    refuse "$PGDATA is empty, and an adoption into this volume was interrupted; run pgstead adopt-volume again, or remove $volume/adopting to start with an empty cluster"
  for found in "$volume"/PG_VERSION "$volume"/*/PG_VERSION "$volume"/*/*/PG_VERSION; do
    [ ! -e "$found" ] ||
      refuse "$PGDATA is empty, but $(dirname "$found") holds a cluster of version $(cat "$found"); a new cluster beside it would have no data. Use the image of that version, $copy_hint"
  done
  [ -z "$(ls -A "$PGDATA" 2>/dev/null)" ] ||
    refuse "$PGDATA holds files but no PG_VERSION: an incomplete cluster, or other files. Restore the complete cluster, or move these files away to start with an empty cluster and load a backup (pgstead backup list)"
  [ ! -e "$cluster" ] ||
    refuse "$PGDATA is empty, but this volume held a cluster ($(cat "$cluster")). Restore its files, or remove $cluster to start with an empty cluster and load a backup (pgstead backup list)"
}

# A fact about the image that last ran on this volume.
recorded() {
  [ ! -e "$cluster" ] || sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p" "$cluster"
}

# The same fact about this image.
of_image() {
  pgstead-versions | sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p"
}

refuse_other_cluster() {
  found=$(cat "$PGDATA/PG_VERSION")
  [ "$found" = "$PG_MAJOR" ] ||
    refuse "$PGDATA holds a cluster of PostgreSQL $found and this image is $PG_MAJOR, which cannot read it. Set postgres.version back to $found, $copy_hint"
  base=$(recorded base)
  [ "${base:-$PGSTEAD_BASE}" = "$PGSTEAD_BASE" ] ||
    refuse "the cluster was created on $base and this image is $PGSTEAD_BASE: user ids and collations differ. Set postgres.base back to $base, $copy_hint"
  owner=$(stat -c %u "$PGDATA/PG_VERSION")
  [ "$owner" = "$(id -u postgres)" ] ||
    refuse "$PGDATA belongs to user $owner, and the server of this image is user $(id -u postgres): the cluster comes from another image (alpine has 70, debian 999). Use the base on which it was created, $copy_hint"
  libc=$(recorded libc)
  [ "${libc:-$(of_image libc)}" = "$(of_image libc)" ] ||
    refuse "the cluster was served with $libc and this image has $(of_image libc), which sorts text differently: indexes on text would return wrong results. Use an image with $libc, $copy_hint"
  # The sort order of musl never changes; that of glibc changes between releases.
  release=$(recorded release)
  if [ "$(of_image libc)" = glibc ] && [ "${release:-$(of_image release)}" != "$(of_image release)" ]; then
    accepts "release $(of_image release)" ||
      refuse "the cluster was served on $release and this image is $(of_image release), which may sort text differently: indexes with libc collations may return wrong results. Set postgres.baseImage back, or postgres.accept to [\"release $(of_image release)\"] and reindex them (select * from pg_collation where collprovider = 'c')"
  fi
}

# The entries of postgres.accept, one on each line.
accepts() {
  printf '%s\n' "${PGSTEAD_ACCEPT:-}" | grep -qxF "$1"
}

# The server can start without this file, so a full disk must not stop it.
record_image() {
  pgstead-versions | cmp -s - "$cluster" ||
    { pgstead-versions >"$cluster.new" && mv "$cluster.new" "$cluster"; } 2>/dev/null ||
    echo "pgstead: could not write $cluster" >&2
}

# PostgreSQL refuses a key file that other users can read, and its own user id differs between images.
install_key() {
  [ -n "${PGSTEAD_TLS:-}" ] || return 0
  [ -e "$tls/server.key" ] || refuse "TLS is on, but $tls holds no key; run pgstead up, which writes it"
  install -m 644 "$tls/server.crt" /run/pgstead/server.crt
  install -m 600 -o postgres "$tls/server.key" /run/pgstead/server.key
}

if [ "${1:-}" = check ]; then
  if [ -s "$PGDATA/PG_VERSION" ]; then refuse_other_cluster; else refuse_signs_of_data; fi
  exit 0
fi

if [ "${1:-postgres}" = postgres ]; then
  refuse_other_path
  take_lock
  remove_unfinished
  if [ -s "$PGDATA/PG_VERSION" ]; then
    refuse_other_cluster
    record_image
  else
    refuse_signs_of_data
    : >"$unfinished"
    # The superuser gets no password, so the entrypoint wants "trust", which would let everybody in. It has
    # no effect: the server reads /etc/pgstead/pg_hba.conf, and the last init file copies that into PGDATA.
    export POSTGRES_HOST_AUTH_METHOD=trust
    export POSTGRES_INITDB_ARGS="--encoding=UTF8 --data-checksums --locale-provider=builtin --builtin-locale=C.UTF-8 --auth-local=peer --auth-host=scram-sha-256 ${POSTGRES_INITDB_ARGS:-}"
  fi
  install_key
  chown postgres "$volume/.pgstead.lock" "$volume" 2>/dev/null || true
fi
exec docker-entrypoint.sh "$@"
