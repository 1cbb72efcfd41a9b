import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const INI = "[alembic]\nscript_location = %(here)s\n";

const ENV = `
import os
from alembic import context
from sqlalchemy import create_engine
engine = create_engine(os.environ["DATABASE_URL"])
with engine.connect() as connection:
    connection.exec_driver_sql("set role " + os.environ["OWNER"])
    connection.commit()
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()
`;

const TABLES = `
from alembic import op
import sqlalchemy as sa
revision, down_revision = "1f3a", None
def upgrade():
    op.create_table("authors",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(200), nullable=False, unique=True),
        sa.Column("rank", sa.Enum("new", "old", name="author_rank"), server_default="new"),
        sa.Column("born", sa.DateTime(timezone=True), server_default=sa.func.now()))
    op.create_index("authors_born", "authors", [sa.text("born DESC")])
    op.create_table("books",
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("author", sa.Integer, sa.ForeignKey("authors.id", ondelete="CASCADE")),
        sa.CheckConstraint("id > 0", name="books_id_positive"))
def downgrade():
    raise NotImplementedError
`;

/** SQL as it is, of many statements. */
const RICH = `
import os
from alembic import op
revision, down_revision = "ab12", "1f3a"
def upgrade():
    op.get_bind().connection.cursor().execute(os.environ["RICH"])
def downgrade():
    raise NotImplementedError
`;

/** `alembic upgrade head` by the real Alembic: tables by its operations, then `rich`. */
export function upgradeByAlembic(url: string, owner: string, rich: string): void {
  const program = execFileSync("test/fixture/alembic", { encoding: "utf8" }).trim();
  const folder = mkdtempSync(join(tmpdir(), "pgstead-alembic-"));
  try {
    mkdirSync(join(folder, "versions"));
    writeFileSync(join(folder, "alembic.ini"), INI);
    writeFileSync(join(folder, "env.py"), ENV);
    writeFileSync(join(folder, "versions", "1f3a_tables.py"), TABLES);
    writeFileSync(join(folder, "versions", "ab12_rich.py"), RICH);
    execFileSync(program, ["-c", join(folder, "alembic.ini"), "upgrade", "head"], {
      env: {
        ...process.env,
        DATABASE_URL: url.replace(/^postgres:/, "postgresql+psycopg:"),
        OWNER: owner,
        RICH: rich,
      },
      stdio: "pipe",
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
}
