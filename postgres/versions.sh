#!/bin/sh
# What the image really holds, as JSON: the stack's outputs, the floor of pgvector and what the volume
# remembers of its cluster come from it.
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
