#!/bin/sh
# Checks the checksum of /tmp/pgvector.tar.gz and compiles it into /pgvector.
set -eu
: "${PGVECTOR_VERSION:?}" "${PGVECTOR_SHA256:?}"
archive=${1:-/tmp/pgvector.tar.gz}
output=${2:-/pgvector}

got=$(sha256sum "$archive" | cut -d ' ' -f 1)
if [ "$got" != "$PGVECTOR_SHA256" ]; then
  echo "pgvector $PGVECTOR_VERSION: the source has SHA-256 $got, expected $PGVECTOR_SHA256" >&2
  echo "change postgres.pgvector.sha256 only if you trust the source" >&2
  exit 1
fi

source=$(mktemp -d)
tar -xzf "$archive" -C "$source" --strip-components 1
# Without OPTFLAGS="" the compiler uses instructions of this machine's processor that another may not have.
make -C "$source" -s -j "$(nproc)" OPTFLAGS=""
make -C "$source" -s install DESTDIR="$output"
rm -rf "$source"
