#!/bin/sh
# The last step of a new cluster, before it listens on TCP.
set -eu
# The server reads the files in /etc/pgstead; these are for whoever starts the volume without them.
cp /etc/pgstead/pg_hba.conf /etc/pgstead/pg_ident.conf "$PGDATA/"
pgstead-versions >/var/lib/postgresql/pgstead.json
rm -f /var/lib/postgresql/.pgstead-init
