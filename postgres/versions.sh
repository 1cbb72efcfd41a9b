#!/bin/sh
# Prints the versions in the image as JSON. The stack's outputs, the check of the pgvector version and the
# file pgstead.json of the volume use it.
set -eu
postgres=$(postgres --version | sed 's/^[^0-9]*\([0-9.]*\).*/\1/')
control=$(cat "/usr/share/postgresql/$PG_MAJOR/extension/vector.control" \
  /usr/local/share/postgresql/extension/vector.control 2>/dev/null || true)
pgvector=$(printf '%s\n' "$control" | sed -n "s/^default_version = '\(.*\)'/\1/p")
libc=glibc
for found in /lib/ld-musl-*; do [ ! -e "$found" ] || libc=musl; done
release=$(. /etc/os-release && echo "$ID-${VERSION_CODENAME:-${VERSION_ID:-}}")
printf '{"postgres":"%s","pgvector":"%s","major":"%s","base":"%s","libc":"%s","release":"%s"}\n' \
  "$postgres" "$pgvector" "$PG_MAJOR" "$PGSTEAD_BASE" "$libc" "$release"
