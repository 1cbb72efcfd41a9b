CREATE TABLE documents (
  id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  tenant_id  uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
  title      text NOT NULL,
  body       text NOT NULL,
  metadata   jsonb NOT NULL DEFAULT '{}',
  -- NULL until the embedding has been computed.
  embedding  vector(1536),
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX documents_tenant_idx ON documents (tenant_id, created_at DESC);

CREATE INDEX documents_embedding_idx ON documents
  USING hnsw (embedding vector_cosine_ops) WITH (m = 16, ef_construction = 64);

CREATE FUNCTION touch_updated_at() RETURNS trigger
  LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
  NEW.updated_at := now();
  RETURN NEW;
END $$;

CREATE TRIGGER documents_touch BEFORE UPDATE ON documents
  FOR EACH ROW EXECUTE FUNCTION touch_updated_at();

-- migrate:down

DROP TABLE documents;
DROP FUNCTION touch_updated_at();
