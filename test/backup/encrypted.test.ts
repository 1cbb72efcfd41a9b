import { readFileSync } from "node:fs";
import { join } from "node:path";
import { CreateBucketCommand, GetObjectCommand, ListObjectsV2Command } from "@aws-sdk/client-s3";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Proof } from "../../operate/backup/format/proof.ts";
import type { ListResult } from "../../operate/backup/store/list-backups.ts";
import { canRun, Stage, startS3 } from "./stage.ts";

describe.runIf(canRun)("S17: copies in the bucket that only the owner of a key can read", () => {
  let stage: Stage;
  let s3: ReturnType<typeof startS3>;
  const bucket = `age-${process.pid}`;

  beforeAll(async () => {
    s3 = startS3();
    await s3.client.send(new CreateBucketCommand({ Bucket: bucket }));
    stage = await Stage.start();
    await stage.sql(
      "create table secrets as select 'sesame' || i as word from generate_series(1, 1000) i",
    );
    // The key is made elsewhere, and stays there.
    const made = await stage.exec(stage.server, ["sh", "-c", "age-keygen -o /tmp/key 2>&1"]);
    stage.write({
      backups: {
        recipients: [/age1\w+/.exec(made.stdout)?.[0]],
        bucket: {
          ...{ name: bucket, endpoint: s3.endpoint, pathStyle: true },
          credentialsFile: stage.writeKey(),
        },
      },
    });
  });
  afterAll(() => stage?.stop());

  test("are proven by the copy on the volume alone, and read again with the key", async () => {
    expect((await stage.pgstead("backup", "now", "--plain")).code).toBe(0);
    expect((await stage.pgstead("backup", "verify")).code).toBe(0);
    const { Contents = [] } = await s3.client.send(new ListObjectsV2Command({ Bucket: bucket }));
    for (const { Key } of Contents) {
      const { Body } = await s3.client.send(new GetObjectCommand({ Bucket: bucket, Key }));
      const bytes = Buffer.from((await Body?.transformToByteArray()) ?? []);
      if (!/\.(json|proof)$/.test(Key!))
        expect(bytes.toString("latin1", 0, 30), Key).toContain("age-encryption.org");
    }
    expect(Contents.map(({ Key }) => Key).filter((key) => key?.startsWith("keep/"))).toHaveLength(
      5,
    );
    const listed = await stage.pgstead("backup", "list", "--json");
    const [backup] = (JSON.parse(listed.stdout) as ListResult).backups;
    expect(backup).toMatchObject({ encrypted: true, proof: { state: "proven", from: "local" } });
    expect((await stage.pgstead("backup", "list")).stdout).toContain("local + bucket (encrypted)");

    const tried = await stage.pgstead("backup", "verify", "--from-bucket", "--json");
    expect(tried.code).toBe(4);
    expect(JSON.parse(tried.stdout) as Proof).toMatchObject({ state: "unverified" });

    const original = readFileSync(join(stage.backups, `${backup!.id}.sql.gz`));
    await stage.inAgent("sh", "-c", "rm /backups/app-*");
    const got = await stage.inAgent(
      ...[
        "sh",
        "-c",
        "cd /tmp && node /usr/local/lib/pgstead/pgstead.cjs backup get latest && base64 *.age",
      ],
    );
    expect(got.stdout).toContain("age --decrypt --identity KEY");
    const sent = got.stdout.split("--check\n")[1]!.replaceAll("\n", "");
    const back = await stage.exec(stage.server, [
      ...["sh", "-c", `echo ${sent} | base64 -d | age --decrypt --identity /tmp/key | base64 -w0`],
    ]);
    expect(Buffer.from(back.stdout, "base64").equals(original)).toBe(true);
  });
});
