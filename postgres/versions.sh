#!/bin/sh
# What the image really holds, as JSON; the stack's outputs and the floor of pgvector come from it.
set -eu
postgres=$(postgres --version | sed 's/^[^0-9]*\([0-9.]*\).*/\1/')
control=$(cat "/usr/share/postgresql/$PG_MAJOR/extension/vector.control" \
  /usr/local/share/postgresql/extension/vector.control 2>/dev/null || true)
pgvector=$(printf '%s\n' "$control" | sed -n "s/^default_version = '\(.*\)'/\1/p")
printf '{"postgres":"%s","pgvector":"%s"}\n' "$postgres" "$pgvector"
