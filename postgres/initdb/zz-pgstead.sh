#!/bin/sh
# The last step of a new cluster, before the server listens on TCP.
set -eu
# The server reads the files in /etc/pgstead. These copies protect a server of another image on this volume.
cp /etc/pgstead/pg_hba.conf /etc/pgstead/pg_ident.conf "$PGDATA/"
pgstead-versions >/var/lib/postgresql/pgstead.json
rm -f /var/lib/postgresql/.pgstead-init
