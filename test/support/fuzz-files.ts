import fc from "fast-check";

/** A migration file, and what psql is to make of it. */
export interface FuzzFile {
  text: string;
  /** The up part alone. */
  up: string;
  /** psql runs it between BEGIN and COMMIT. */
  isWrapped: boolean;
  /** Names of the pieces in the up part. */
  pieces: string[];
}

/** Makes SQL. `n` occurs once in a case; `odd` is a text of odd characters. */
type Piece = (n: number, odd: string) => string;

const quote = (odd: string) => `'${odd.replaceAll("'", "''")}'`;
const quoteName = (odd: string) => `"${odd.replaceAll('"', '""')}x"`;
const quoteEscaped = (odd: string) =>
  `E'${odd.replaceAll("\\", "\\\\").replaceAll("'", "\\'").replaceAll("\n", "\\n")}'`;
const inUnicode = (odd: string) =>
  `U&'${[...odd]
    .map((one) => {
      const code = (one.codePointAt(0) ?? 0).toString(16);
      return /[a-z]/i.test(one) ? one : `\\+${code.padStart(6, "0")}`;
    })
    .join("")}'`;
const inDollars = (odd: string) => `$q$${odd}$q$`;
const inBlock = (odd: string) => odd.replaceAll(/\/\*|\*\//g, "");
const inLine = (odd: string) => odd.replaceAll("\n", " ");
const inRow = (odd: string) =>
  odd.replaceAll("\\", "\\\\").replaceAll("\t", "\\t").replaceAll("\n", "\\n");
const log = (n: number, expression: string) =>
  `create table if not exists public.log (n int, note text);\ninsert into public.log select ${n}, ${expression};`;

const anywhere: Record<string, Piece> = {
  table: (n, odd) =>
    `create table t${n} (id int generated always as identity primary key, note text default ${quote(odd)}, ${quoteName(odd)} int);\ninsert into t${n} (note) values (default), (${quoteEscaped(odd)});`,
  columns: (n) =>
    `create table c${n} (a int, b int); alter table c${n} add column c numeric(8, 2) default 1.5, drop column b, add constraint ck${n} check (a > 0); insert into c${n} values (1);`,
  key: (n) =>
    `create table k${n} (id int primary key); create table kk${n} (id int references k${n} on delete cascade deferrable initially deferred); insert into k${n} values (1); insert into kk${n} values (1);`,
  index: (n, odd) =>
    `create table i${n} (a int, b text);\ncreate unique index on i${n} (a) include (b);\ncreate index on i${n} (lower(b)) where b <> ${quote(odd)};`,
  function: (n, odd) =>
    `create function f${n}() returns text language plpgsql as $$ -- it's; odd\nbegin /* ' */ return ${quote(odd).replaceAll("$$", "")}; end $$;\n${log(n, `f${n}()`)}`,
  "tagged function": (n, odd) =>
    `create or replace function g${n}(begin int default 1) returns text language sql as $body$ select ${inDollars(odd)}; select 'commit;' $body$;\n${log(n, `g${n}()`)}`,
  "atomic function": (n) =>
    `create function h${n}(x int) returns int begin atomic select 1; select case when x > 1 then 2 else 3 end; end;\n${log(n, `h${n}(2)::text`)}`,
  procedure: (n, odd) =>
    `create procedure p${n}(inout x int) language plpgsql as $a$ begin x := x + 1; perform $b$${odd.replaceAll("$a$", "")}$b$; end; $a$;\ncall p${n}(1);`,
  do: (n, odd) =>
    `create table if not exists public.log (n int, note text);\ndo $do$ begin insert into public.log values (${n}, ${inDollars(odd)}); end $do$;`,
  "do in quotes": (n) =>
    `create table if not exists public.log (n int, note text);\ndo 'begin insert into public.log values (${n}, ''a;b''); end';`,
  view: (n, odd) =>
    `create view v${n} as select ${quote(odd)}::text as a, ${n} as b; comment on view v${n} is ${quote(odd)};`,
  "materialized view": (n, odd) =>
    `create materialized view m${n} as select ${quoteEscaped(odd)}::text as a; refresh materialized view m${n};`,
  types: (n, odd) =>
    `create type e${n} as enum (${quote(odd)}, 'b'); alter type e${n} add value 'c'; create domain d${n} as text check (value <> ${quote(odd)}); create table ed${n} (a e${n}, b d${n});`,
  sequence: (n) => `create sequence s${n} start 5 increment 3; select nextval('s${n}');`,
  trigger: (n) =>
    `create table tr${n} (a int); create function trf${n}() returns trigger language plpgsql as $x$ begin new.a := new.a * 2; return new; end $x$; create trigger x before insert on tr${n} for each row execute function trf${n}(); insert into tr${n} values (4);`,
  rule: (n) =>
    `create table r${n} (a int); create table rr${n} (a int); create rule x as on insert to r${n} do also (insert into rr${n} values (new.a); insert into rr${n} values (1)); insert into r${n} values (5);`,
  grants: (n) =>
    `create table gr${n} (a int); grant select on gr${n} to public; alter table gr${n} enable row level security; create policy x on gr${n} using (a > 1);`,
  partitions: (n) =>
    `create table pt${n} (a int) partition by range (a); create table pt${n}a partition of pt${n} for values from (1) to (5); insert into pt${n} values (3);`,
  quoted: (n, odd) => log(n, quote(odd)),
  escaped: (n, odd) => log(n, quoteEscaped(odd)),
  unicode: (n, odd) => log(n, inUnicode(odd)),
  "in dollars": (n, odd) => log(n, inDollars(odd)),
  "strings of every kind": (n) =>
    log(
      n,
      `concat('it''s', e'\\'', E'\\\\', n'x', 'a'\n  ';b', b'101', U&'\\0061;', $$;'$$, $é$--$é$)`,
    ),
  "quoted names": (n) =>
    `create table "q;${n}" (U&"\\0061;b" int, a$b text, "--" int, "/*" int);\ninsert into "q;${n}" values (1, '$b$', 2, 3);`,
  operators: (n) =>
    log(
      n,
      `(5 - -3)::text || (5 *-- odd;\n 3)::text || ('{"a;": 1}'::jsonb ->> 'a;') || ('{"a": 1}'::jsonb ? 'a')`,
    ),
  "line comment": (_, odd) => `-- ${inLine(odd)}`,
  "block comment": (n, odd) => `/* ${inBlock(odd)} /* ; ' */ " $$ */ ${log(n, "'block'")}`,
  "comment inside": (n, odd) =>
    `create /* ; ${inBlock(odd)} */ table -- ; ${inLine(odd)}\n cm${n} (a int /* , b int */);`,
  "empty statements": () => ";;\n ; /* ; */ ;",
  "spaces of every kind": (n) => `\t\f\v create\ttable\n\n sp${n} (\fa int)\v;`,
  "search path": (n) =>
    `create schema sp${n}s; set search_path = sp${n}s, public; create table sp${n}t (a int); reset search_path; create table sp${n}u (a int);`,
  "search path left": (n) =>
    `create schema sl${n}; set search_path = sl${n}; create table sl${n}t (a int);`,
  "set role": (n) => `set role none; create table ro${n} (a int);`,
  "reset role": (n) => `reset role; create view rr_v${n} as select 1 as a;`,
  timeouts: (n) =>
    `set lock_timeout = '7s'; set statement_timeout = '${n + 1000}s'; ${log(n, "current_setting('lock_timeout') || current_setting('statement_timeout')")}`,
  settings: (n) =>
    `set datestyle = 'SQL, DMY'; set bytea_output = 'escape'; set intervalstyle = 'iso_8601'; set timezone = 'Asia/Kolkata'; set extra_float_digits = -3;\n${log(n, "concat(date '2020-02-01', '\\x00ff'::bytea, interval '3 days 1 s', 1::float8 / 3)")}`,
  "own setting": (n) => `set fuzz.own = 'left';\n${log(n, "current_setting('fuzz.own')")}`,
  "strings without escapes": (n) =>
    `set standard_conforming_strings = on;\n${log(n, "'a\\\\b\\'")}`,
  prepared: (n, odd) =>
    `deallocate all; prepare fuzz (text) as select $1; create table pr${n} as execute fuzz(${quote(odd)});`,
  "held cursor": () => "close all; declare fuzz cursor with hold for select 1;",
  listen: () => "listen fuzz;",
  "advisory locks": (n) =>
    `select pg_advisory_lock(4242); select pg_advisory_unlock_all(); select pg_advisory_lock(4243);\n${log(n, "'locks'")}`,
  "default transaction": () => "set default_transaction_isolation = 'serializable';",
  "no bodies checked": (n) =>
    `set check_function_bodies = off; create function nb${n}() returns int language sql as 'select a from absent';`,
  "reset all": (n) => `reset all; create table ra${n} (a int);`,
  shadowed: (n) =>
    `create table if not exists public.shadow (n int); insert into shadow values (${n});`,
  "session facts": (n) =>
    log(
      n,
      `concat_ws('|', current_setting('search_path'), current_user = session_user, current_setting('datestyle'),
  current_setting('bytea_output'), current_setting('timezone'), current_setting('standard_conforming_strings'),
  nullif(current_setting('fuzz.own', true), ''), current_setting('check_function_bodies'), current_setting('transaction_isolation'),
  (select count(*) from pg_catalog.pg_prepared_statements where from_sql), (select count(*) from pg_catalog.pg_cursors where name = 'fuzz'),
  (select count(*) from pg_catalog.pg_listening_channels()), pg_catalog.to_regclass('pg_temp.shadow') is null,
  (select count(*) from pg_catalog.pg_locks where locktype = 'advisory' and pid = pg_catalog.pg_backend_pid() and objid in (4242, 4243)))`,
    ),
};

/** They need a transaction, or do not work outside one. */
const inTransaction: Record<string, Piece> = {
  // Outside a transaction psql does not split it: it takes the name for BEGIN ATOMIC.
  "function called begin": (n) =>
    `create schema b${n}; create function b${n}.begin() returns int language sql return 1; create function b${n}.commit() returns int language sql return b${n}.begin();`,
  "temporary table": (n) =>
    `create temp table if not exists shadow (n int); insert into shadow values (${n});\n${log(n, "count(*)::text from pg_temp.shadow")}`,
  "temporary view": (n) =>
    `create temp view tv${n} as select 1 as a; create table tvt${n} as select * from tv${n};`,
  savepoints: (n) =>
    `savepoint s; create table sv${n} (a int); rollback to s; create table sw${n} (a int); release s;`,
  "set local": (n) =>
    `create schema lo${n}; set local search_path = lo${n}; create table lo${n}t (a int); set local search_path = public;`,
  "set local left": (n) => `create schema ll${n}; set local search_path = ll${n}, public;`,
  copy: (n, odd) =>
    `create table cp${n} (a int, b text);\nCopy cp${n} (a, b) from /* ; */ STDIN;\n1\t${inRow(odd)}\n2\t;commit;\n3\t-- migrate:down\n4\t\\N\n\\.\n`,
  "copy of one column": (n) =>
    `create table cn${n} (a text);\ncopy cn${n} from stdin;\n-- migrate:down\n\\\\restrict a\n\\.\n\ncopy cn${n} from stdin;\n\\.\n`,
  constraints: (n) =>
    `set constraints all deferred; create table sc${n} (a int); lock table sc${n};`,
};

/** They cannot run in a transaction, or end one. */
const alone: Record<string, Piece> = {
  concurrently: (n, odd) =>
    `create table ic${n} as select i as a from generate_series(1, 9) i;\ncreate unique index concurrently ic${n}a on ic${n} (a); -- ${inLine(odd)}\ncreate index concurrently if not exists ic${n}b on ic${n} ((a + 1));\ndrop index concurrently ic${n}b;`,
  reindex: (n) =>
    `create table re${n} (a int primary key); reindex table concurrently re${n}; reindex table re${n};`,
  vacuum: (n) => `create table va${n} (a int); vacuum (analyze) va${n}; analyze va${n};`,
  detach: (n) =>
    `create table dt${n} (a int) partition by list (a); create table dt${n}a partition of dt${n} for values in (1);\nalter table dt${n} detach partition dt${n}a concurrently /* done */;`,
  block: (n) =>
    `begin; create table bl${n} (a int); insert into bl${n} values (1); commit;\nstart transaction; set local search_path = pg_catalog; insert into public.bl${n} values (2); end;`,
  "do with commit": (n) =>
    `create table dc${n} (a int);\ndo $$ begin insert into dc${n} values (1); commit; insert into dc${n} values (2); end $$;`,
  "call with commit": (n) =>
    `create table cc${n} (a int);\ncreate procedure ccp${n}() language plpgsql as $$ begin insert into cc${n} values (1); commit; insert into cc${n} values (2); end $$;\ncall ccp${n}();`,
};

/** It fails after other statements were kept. */
const failing: Record<string, Piece> = {
  "failed build": (n) =>
    `create table fb${n} as select 1 as a from generate_series(1, 2);\ncreate unique index concurrently fb${n}a on fb${n} (a);`,
};

/** Most of them stop the file. */
const rare: Record<string, Piece> = {
  "backslash strings": (n, odd) =>
    `set standard_conforming_strings = off;\n${log(n, `'a\\\\b' || 'c\\'d' || '${odd.replaceAll(/['\\]/g, "")}'`)}`,
  "backslashes only": (n) => `set standard_conforming_strings = off;\n${log(n, "'a\\\\b\\tc'")}`,
  "hidden commit": (n) =>
    `set standard_conforming_strings = off;\nselect 'x\\''; commit; create table hc${n} (a int); --'\n`,
  "two blocks": (n) =>
    `begin;\ncreate schema tb${n}; set local search_path = tb${n};\ncreate table tb${n}a (a int);\ncommit;\nbegin; create table tb${n}b (a int); commit;`,
  "isolation level": (n) =>
    `begin isolation level serializable;\n${log(n, "current_setting('transaction_isolation')")}\ncommit;`,
  "open begin": (n) => `begin;\ncreate table ob${n} (a int);`,
  rollback: (n) => `create table rb${n} (a int);\nrollback;`,
  "near-miss directive": () => "-- migrate: down\nselect 1;",
  "directive below a statement": () => "select 1;\n-- migrate:no-transaction\nselect 2;",
  "indented directive": () => "  -- migrate:down\nselect 1;",
  "directive in a string": (n) => log(n, "'a\n-- migrate:down\nb'"),
  "directive in a body": (n) =>
    `create function db${n}() returns int language plpgsql as $$\nbegin\n-- migrate:up\nreturn 1; end $$;`,
  "goose in a string": (n) => log(n, "'a\n-- +goose Up\nb\n-- +goose Down\n'"),
  "psql command": () => "\\echo psql",
  "failed statement": (n) => `create table fs${n} (a int); select 1 / 0;`,
  "syntax error": (n) => `create table se${n} (a int); create tabel x;`,
  "open quote": (n) => `create table oq${n} (a int); select 'open;`,
  "open comment": (n) => `create table oc${n} (a int); /* open /* */`,
  "outside a transaction": (n) => `create table ot${n} (a int); vacuum ot${n};`,
};

export const pieceNames = [anywhere, inTransaction, alone].flatMap(Object.keys);

const odd = fc.string({
  unit: fc.constantFrom(
    ..."'\"\\$;-:%?@{}ä🐘é\t\n e",
    ...[
      "$$",
      "$a$",
      "--",
      "/*",
      "*/",
      "E'",
      "U&",
      "commit;",
      "begin",
      "''",
      "\\'",
      "\\n",
      ":x",
      "::",
    ],
  ),
  maxLength: 8,
});

const pieceOf = (...groups: Record<string, Piece>[]) => {
  const all = Object.assign({}, ...groups) as Record<string, Piece>;
  return fc.tuple(fc.constantFrom(...Object.keys(all)), odd).map(([name, text]) => ({
    name,
    make: (n: number) => (all[name] as Piece)(n, text),
  }));
};

type Chosen = { name: string; make: (n: number) => string };

const head = fc.oneof(
  { weight: 6, arbitrary: fc.constant("") },
  fc.constantFrom(
    "-- a comment\n",
    "/* a licence;\n 'quoted' */\n",
    "\n\n",
    "\uFEFF",
    "-- migrate:timeout lock=5s statement=1min\n",
    "-- migrate:irreversible: because\n",
  ),
);

const DOWN = "\n-- migrate:down\n";
const tail = fc.record({
  end: fc.constantFrom("", "\n", "\n-- end", "\n/* end; */", ";\n"),
  down: fc.constantFrom("", "", DOWN, `${DOWN}select 1;\ndrop table absent;\n`),
});

interface Frame {
  before: string;
  after: string;
  isWrapped: boolean;
}

const frames = {
  plain: { before: "", after: "", isWrapped: true },
  begun: { before: "begin;\n", after: "\ncommit;", isWrapped: false },
  started: { before: "START TRANSACTION;", after: "\nEND;", isWrapped: false },
  work: { before: "/* ; */ BEGIN WORK ;\n", after: "\ncommit work", isWrapped: false },
  outside: { before: "-- migrate:no-transaction\n", after: "", isWrapped: false },
} satisfies Record<string, Frame>;

const file = (frame: Frame, chosen: fc.Arbitrary<Chosen[]>) =>
  fc
    .record({ chosen, head, tail, isDos: fc.integer({ min: 0, max: 9 }), isOpen: fc.boolean() })
    .map(
      ({ chosen: list, head: first, tail: last, isDos, isOpen }) =>
        (index: number): FuzzFile => {
          const body = list.map(({ make }, i) => make(index * 100 + i)).join("\n");
          // The last statement needs no semicolon.
          const inner = isOpen && frame.after === "" ? body.replace(/;$/, "") : body;
          const eol = (text: string) => (isDos === 0 ? text.replaceAll("\n", "\r\n") : text);
          const up = eol(`${first}${frame.before}${inner}${frame.after}${last.end}`);
          return {
            up,
            text: up + eol(last.down),
            isWrapped: frame.isWrapped,
            pieces: list.map(({ name }) => name),
          };
        },
    );

const several = (one: fc.Arbitrary<Chosen>, max = 6) => fc.array(one, { maxLength: max });
const normal = pieceOf(anywhere, inTransaction);
const amid = (few: fc.Arbitrary<Chosen>, one: fc.Arbitrary<Chosen>) =>
  fc
    .tuple(several(few, 2), one, several(few, 2))
    .map(([before, middle, after]) => [...before, middle, ...after]);
const outside = pieceOf(anywhere, alone);
const withRare = amid(normal, pieceOf(rare));
const withFailing = amid(outside, pieceOf(failing, alone));
const fileOf = fc.oneof(
  { weight: 10, arbitrary: file(frames.plain, several(normal)) },
  { weight: 2, arbitrary: file(frames.begun, several(normal)) },
  { weight: 1, arbitrary: file(frames.started, several(normal)) },
  { weight: 1, arbitrary: file(frames.work, several(normal)) },
  { weight: 6, arbitrary: file(frames.outside, amid(outside, pieceOf(alone))) },
  { weight: 1, arbitrary: file(frames.outside, withFailing) },
  { weight: 1, arbitrary: file(frames.plain, withRare) },
  { weight: 1, arbitrary: file({ ...frames.plain, isWrapped: false }, withRare) },
);

export const files: fc.Arbitrary<FuzzFile[]> = fc
  .array(fileOf, { minLength: 1, maxLength: 5 })
  .map((list) => list.map((make, index) => make(index + 1)));
