import type { Verb } from "./verb.ts";
import { adoptVolume } from "./verbs/adopt-volume.ts";
import { backupGet } from "./verbs/backup-get.ts";
import { backupList } from "./verbs/backup-list.ts";
import { backupNow } from "./verbs/backup-now.ts";
import { backupPrune } from "./verbs/backup-prune.ts";
import { backupSchedule } from "./verbs/backup-schedule.ts";
import { backupShow } from "./verbs/backup-show.ts";
import { backupUpload } from "./verbs/backup-upload.ts";
import { backupVerify } from "./verbs/backup-verify.ts";
import { bootstrap } from "./verbs/bootstrap.ts";
import { check } from "./verbs/check.ts";
import { doctor } from "./verbs/doctor.ts";
import { down } from "./verbs/down.ts";
import { env } from "./verbs/env.ts";
import { finish } from "./verbs/finish.ts";
import { logs } from "./verbs/logs.ts";
import { migrateAdopt } from "./verbs/migrate-adopt.ts";
import { migrateDown } from "./verbs/migrate-down.ts";
import { migrateCurrent, migrateList, migratePending } from "./verbs/migrate-list.ts";
import { migrateNew } from "./verbs/migrate-new.ts";
import { migrateRun } from "./verbs/migrate-run.ts";
import { migrateSchema } from "./verbs/migrate-schema.ts";
import { migrateStamp } from "./verbs/migrate-stamp.ts";
import { migrateUp } from "./verbs/migrate-up.ts";
import { migrateVerify } from "./verbs/migrate-verify.ts";
import { outputs } from "./verbs/outputs.ts";
import { preview } from "./verbs/preview.ts";
import { psql } from "./verbs/psql.ts";
import { recover } from "./verbs/recover.ts";
import { restart } from "./verbs/restart.ts";
import { serve } from "./verbs/serve.ts";
import { status } from "./verbs/status.ts";
import { stepAtStake } from "./verbs/step-at-stake.ts";
import { stepChange } from "./verbs/step-change.ts";
import { stepMigrate } from "./verbs/step-migrate.ts";
import { stepTry } from "./verbs/step-try.ts";
import { undo } from "./verbs/undo.ts";
import { up } from "./verbs/up.ts";
import { vector } from "./verbs/vector.ts";

/** Every verb of `pgstead`, in the order of `--help`. */
export const verbs: Verb[] = [
  ...[up, preview, down, outputs, env, adoptVolume, recover],
  ...[status, check, vector, doctor, logs, psql],
  ...[migrateUp, migrateDown, migrateList, migrateCurrent, migratePending],
  ...[migrateRun, migrateNew, migrateStamp, migrateAdopt, migrateVerify, migrateSchema],
  ...[
    backupNow,
    backupList,
    backupShow,
    backupGet,
    backupVerify,
    backupPrune,
    backupSchedule,
    backupUpload,
  ],
  ...[undo, finish],
  ...[restart, serve, bootstrap, stepMigrate, stepChange, stepTry, stepAtStake],
];
