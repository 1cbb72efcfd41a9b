-- The schema as it is, written by `pgstead migrate schema`. Owners and the privileges of roles are
-- not in it.

SET LOCAL check_function_bodies = off;
SET LOCAL search_path = '';

CREATE SCHEMA IF NOT EXISTS audit;

CREATE EXTENSION IF NOT EXISTS pgcrypto WITH SCHEMA public;

CREATE EXTENSION IF NOT EXISTS vector WITH SCHEMA public;

CREATE OR REPLACE FUNCTION audit.append()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
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
END $function$;

CREATE OR REPLACE FUNCTION audit.first_broken()
 RETURNS TABLE(seq bigint, reason text)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
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
$function$;

CREATE TABLE audit.log (
  seq bigint NOT NULL,
  at timestamp with time zone NOT NULL,
  actor text NOT NULL,
  action text NOT NULL,
  relation text NOT NULL,
  row_id text NOT NULL,
  changed jsonb NOT NULL,
  hmac bytea NOT NULL
);

CREATE OR REPLACE FUNCTION audit.seal(previous bytea, entry audit.log)
 RETURNS bytea
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
      SELECT public.hmac(previous || convert_to(jsonb_build_array(entry.seq,
          extract(epoch FROM entry.at), entry.actor, entry.action, entry.relation, entry.row_id,
          entry.changed)::text, 'UTF8'), (SELECT secret FROM audit.key), 'sha256')
    $function$;

CREATE OR REPLACE FUNCTION public.touch_updated_at()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog'
AS $function$
BEGIN
  NEW.updated_at := now();
  RETURN NEW;
END $function$;

CREATE TABLE audit.head (
  id smallint DEFAULT 1 NOT NULL,
  seq bigint NOT NULL,
  hmac bytea NOT NULL
);

CREATE TABLE audit.key (
  id smallint DEFAULT 1 NOT NULL,
  secret bytea NOT NULL,
  created_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE public.documents (
  id bigint GENERATED ALWAYS AS IDENTITY NOT NULL,
  tenant_id uuid NOT NULL,
  title text NOT NULL,
  body text NOT NULL,
  metadata jsonb DEFAULT '{}'::jsonb NOT NULL,
  embedding public.vector(1536),
  created_at timestamp with time zone DEFAULT now() NOT NULL,
  updated_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE public.tenants (
  id uuid DEFAULT gen_random_uuid() NOT NULL,
  name text NOT NULL,
  created_at timestamp with time zone DEFAULT now() NOT NULL
);

ALTER TABLE public.documents ADD CONSTRAINT documents_pkey PRIMARY KEY (id);

ALTER TABLE audit.head ADD CONSTRAINT head_id_check CHECK ((id = 1));

ALTER TABLE audit.head ADD CONSTRAINT head_pkey PRIMARY KEY (id);

ALTER TABLE audit.key ADD CONSTRAINT key_id_check CHECK ((id = 1));

ALTER TABLE audit.key ADD CONSTRAINT key_pkey PRIMARY KEY (id);

ALTER TABLE audit.key ADD CONSTRAINT key_secret_check CHECK ((length(secret) = 32));

ALTER TABLE audit.log ADD CONSTRAINT log_action_check CHECK ((action = ANY (ARRAY['INSERT'::text, 'UPDATE'::text, 'DELETE'::text])));

ALTER TABLE audit.log ADD CONSTRAINT log_hmac_check CHECK ((length(hmac) = 32));

ALTER TABLE audit.log ADD CONSTRAINT log_pkey PRIMARY KEY (seq);

ALTER TABLE public.tenants ADD CONSTRAINT tenants_name_check CHECK (((length(name) >= 1) AND (length(name) <= 200)));

ALTER TABLE public.tenants ADD CONSTRAINT tenants_pkey PRIMARY KEY (id);

CREATE INDEX documents_embedding_idx ON public.documents USING hnsw (embedding public.vector_cosine_ops) WITH (m='16', ef_construction='64');

CREATE INDEX documents_tenant_idx ON public.documents USING btree (tenant_id, created_at DESC);

CREATE UNIQUE INDEX tenants_name_key ON public.tenants USING btree (lower(name));

ALTER TABLE public.documents ADD CONSTRAINT documents_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants(id) ON DELETE CASCADE;

CREATE TRIGGER documents_audit AFTER INSERT OR DELETE OR UPDATE ON public.documents FOR EACH ROW EXECUTE FUNCTION audit.append();

CREATE TRIGGER documents_touch BEFORE UPDATE ON public.documents FOR EACH ROW EXECUTE FUNCTION public.touch_updated_at();

CREATE TRIGGER tenants_audit AFTER INSERT OR DELETE OR UPDATE ON public.tenants FOR EACH ROW EXECUTE FUNCTION audit.append();

REVOKE ALL ON ROUTINE audit.append() FROM PUBLIC;

REVOKE ALL ON ROUTINE audit.first_broken() FROM PUBLIC;

REVOKE ALL ON ROUTINE audit.seal(bytea,audit.log) FROM PUBLIC;
