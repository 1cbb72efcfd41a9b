-- A log that shows tampering: each entry carries an HMAC over itself and the entry before. The key
-- is made here and readable by the owner alone; see docs/decisions/audit-key.md.
CREATE SCHEMA audit;
REVOKE ALL ON SCHEMA audit FROM PUBLIC;

CREATE TABLE audit.key (
  id         smallint PRIMARY KEY DEFAULT 1 CHECK (id = 1),
  secret     bytea NOT NULL CHECK (length(secret) = 32),
  created_at timestamptz NOT NULL DEFAULT now()
);
REVOKE ALL ON audit.key FROM PUBLIC;

CREATE TABLE audit.log (
  seq         bigint PRIMARY KEY,
  at          timestamptz NOT NULL,
  actor       text NOT NULL,
  action      text NOT NULL CHECK (action IN ('INSERT', 'UPDATE', 'DELETE')),
  relation    text NOT NULL,
  row_id      text NOT NULL,
  changed     jsonb NOT NULL,
  hmac        bytea NOT NULL CHECK (length(hmac) = 32)
);
REVOKE ALL ON audit.log FROM PUBLIC;

-- The newest entry, locked by whoever appends: two writers may not chain onto the same one.
CREATE TABLE audit.head (
  id   smallint PRIMARY KEY DEFAULT 1 CHECK (id = 1),
  seq  bigint NOT NULL,
  hmac bytea NOT NULL
);
REVOKE ALL ON audit.head FROM PUBLIC;
INSERT INTO audit.head (seq, hmac) VALUES (0, ''::bytea);

-- pgcrypto may live in any schema, and a SECURITY DEFINER function must not follow the caller's
-- search_path: so its schema is looked up once, here, and written into the functions.
DO $migration$
DECLARE
  crypto text := (SELECT quote_ident(n.nspname) FROM pg_extension e
                  JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'pgcrypto');
BEGIN
  EXECUTE format('INSERT INTO audit.key (secret) VALUES (%s.gen_random_bytes(32))', crypto);

  EXECUTE format($create$
    CREATE FUNCTION audit.seal(previous bytea, entry audit.log) RETURNS bytea
      LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
      SELECT %s.hmac(previous || convert_to(jsonb_build_array(entry.seq,
          extract(epoch FROM entry.at), entry.actor, entry.action, entry.relation, entry.row_id,
          entry.changed)::text, 'UTF8'), (SELECT secret FROM audit.key), 'sha256')
    $$ $create$, crypto);
END
$migration$;
REVOKE ALL ON FUNCTION audit.seal(bytea, audit.log) FROM PUBLIC;

CREATE FUNCTION audit.append() RETURNS trigger
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  old_row jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) - 'embedding' END;
  new_row jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) - 'embedding' END;
  head    audit.head;
  entry   audit.log;
BEGIN
  SELECT * INTO STRICT head FROM audit.head FOR UPDATE;
  entry.seq := head.seq + 1;
  entry.at := clock_timestamp();
  entry.actor := session_user;
  entry.action := TG_OP;
  entry.relation := format('%I.%I', TG_TABLE_SCHEMA, TG_TABLE_NAME);
  entry.row_id := coalesce(new_row, old_row) ->> 'id';
  entry.changed := CASE TG_OP
    WHEN 'UPDATE' THEN (SELECT coalesce(jsonb_object_agg(key, value), '{}')
                        FROM jsonb_each(new_row) WHERE value IS DISTINCT FROM old_row -> key)
    ELSE coalesce(new_row, old_row) END;
  entry.hmac := audit.seal(head.hmac, entry);
  INSERT INTO audit.log SELECT (entry).*;
  UPDATE audit.head SET seq = entry.seq, hmac = entry.hmac;
  RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION audit.append() FROM PUBLIC;

-- The first entry that does not fit its seal, or no row: the log is whole.
CREATE FUNCTION audit.first_broken() RETURNS TABLE (seq bigint, reason text)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  WITH chained AS (
    SELECT log.seq, log.hmac, audit.seal(lag(log.hmac, 1, ''::bytea) OVER (ORDER BY log.seq), log)
             AS expected, row_number() OVER (ORDER BY log.seq) AS place
    FROM audit.log AS log
  )
  (SELECT seq, CASE WHEN seq <> place THEN 'an entry before it is gone' ELSE 'changed' END
   FROM chained WHERE hmac <> expected OR seq <> place ORDER BY seq LIMIT 1)
  UNION ALL
  SELECT head.seq, 'the newest entries are gone' FROM audit.head AS head
  WHERE head.seq <> coalesce((SELECT max(log.seq) FROM audit.log AS log), 0)
  LIMIT 1
$$;
REVOKE ALL ON FUNCTION audit.first_broken() FROM PUBLIC;

CREATE TRIGGER tenants_audit AFTER INSERT OR UPDATE OR DELETE ON tenants
  FOR EACH ROW EXECUTE FUNCTION audit.append();
CREATE TRIGGER documents_audit AFTER INSERT OR UPDATE OR DELETE ON documents
  FOR EACH ROW EXECUTE FUNCTION audit.append();

-- migrate:down

-- The log goes with it: keep a copy if it has to prove anything later.
DROP TRIGGER documents_audit ON documents;
DROP TRIGGER tenants_audit ON tenants;
DROP FUNCTION audit.first_broken(), audit.append(), audit.seal(bytea, audit.log);
DROP TABLE audit.head, audit.log, audit.key;
DROP SCHEMA audit;
