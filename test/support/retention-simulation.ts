/**
 * Input of a simulation of stack, agent and bucket, day by day. The simulation shares no code with the proof:
 * it has its own calendar, and lists of the objects in volume and bucket.
 */
export interface World {
  schedule: string;
  keepDays: number;
  minBackups: number;
  rules: {
    status: string;
    filter: { prefix: string };
    expiration?: { days?: number };
    transitions?: { days: number; storageClass: string }[];
  }[];
  lockDays?: number | undefined;
}

/** The earliest day on which each promise was broken. */
export interface Breaks {
  /** Fewer backups than required. */
  tooFew?: number;
  /** A dump was not locked while it had to stay. */
  unlocked?: number;
  /** A dump expired and was uploaded again. */
  uploadedAgain?: number;
  /** No backup was left in a year without new backups. */
  noneLeft?: number;
}

interface StoredObject {
  id: number;
  since: number;
}

type Lifetime = ReturnType<typeof findLifetime>;

const DAY_MS = 86_400_000;
const EPOCH = Date.UTC(2001, 0, 1);

/** Simulates the schedule from each run day of the calendar, and returns the earliest breaks. */
export function simulate(world: World, calendarDays: number): Breaks {
  const breaks: Breaks = {};
  const note = (kind: keyof Breaks, day: number) => {
    breaks[kind] = Math.min(breaks[kind] ?? Number.POSITIVE_INFINITY, day);
  };
  const onDay = readCalendar(world.schedule);
  const known: number[] = [];
  const runs = (day: number) => {
    known[day] ??= onDay(day);
    return known[day];
  };
  for (let start = 0; start < calendarDays; start++) {
    if (runs(start) > 0) simulateFrom(world, (day) => runs(start + day), note);
  }
  // One day with a backup, and no backup after it.
  simulateFrom(world, (day) => (day === 0 ? 1 : 0), note, true);
  return breaks;
}

function simulateFrom(
  { rules, keepDays, minBackups, lockDays }: World,
  runsOn: (day: number) => number,
  note: (kind: keyof Breaks, day: number) => void,
  isLastBackup = false,
): void {
  const wanted = isLastBackup ? 1 : minBackups;
  const ofDumps = findLifetime("dumps/app-20270101T020000Z.dump", rules);
  const ofKeep = findLifetime("keep/a/backup.dump", rules);
  let dumps: StoredObject[] = [];
  let keep: StoredObject[] = [];
  let volume: { id: number; day: number }[] = [];
  let taken = 0;
  /** The day on which each dump expired. */
  const expired = new Map<number, number>();
  const longest = rules.map(({ expiration, transitions }) =>
    Math.max(expiration?.days ?? 0, ...(transitions ?? []).map(({ days }) => days)),
  );
  let end = isLastBackup ? 365 : Math.max(lockDays ?? 1, ...longest) + 2;
  for (let day = 0; day <= end; day++) {
    for (const { id, since } of dumps) if (day > since + ofDumps.expires) expired.set(id, day);
    dumps = dumps.filter(({ since }) => day <= since + ofDumps.expires);
    keep = keep.filter(({ since }) => day <= since + ofKeep.expires);
    checkReadable(day);
    for (let run = 0; run < runsOn(day); run++) {
      const id = taken++;
      volume.push({ id, day });
      // A dump taken late on its day is still this young in the morning of its last day.
      volume = volume.filter((one) => day - one.day <= keepDays);
      for (const copy of volume) {
        if (dumps.some((one) => one.id === copy.id)) continue;
        const expiredOn = expired.get(copy.id);
        if (expiredOn !== undefined) note("uploadedAgain", expiredOn);
        dumps.push({ id: copy.id, since: day });
      }
      keep = [{ id, since: day }];
    }
    if (isLastBackup) continue;
    checkLocks(day);
    // While the first dump is on the volume, it may be uploaded again.
    if (volume[0]?.id === 0) end = Math.max(end, day + 2);
  }

  function checkReadable(day: number): void {
    const readable = (of: Lifetime) => (one: StoredObject) => day <= one.since + of.archived;
    const there = new Set(
      [...dumps.filter(readable(ofDumps)), ...keep.filter(readable(ofKeep))].map(({ id }) => id),
    );
    if (there.size < Math.min(wanted, taken)) note(isLastBackup ? "noneLeft" : "tooFew", day);
  }

  /** Finds what somebody with every permission could delete at the end of a day: whatever has no lock. */
  function checkLocks(day: number): void {
    if (lockDays === undefined) return;
    for (const { id, since } of dumps) {
      const stays = ofDumps.expires;
      // Where nothing expires, only the required backups must stay.
      const isToStay =
        stays === Number.POSITIVE_INFINITY ? id >= taken - wanted : day - since < stays;
      if (day - since >= lockDays && isToStay) note("unlocked", day - since);
    }
  }
}

/** Days after which a rule of the bucket expires an object, and after which it moves to an archive. */
function findLifetime(key: string, rules: World["rules"]) {
  const matching = rules.filter(
    ({ status, filter }) => status === "Enabled" && key.startsWith(filter.prefix),
  );
  const archived = matching
    .flatMap(({ transitions = [] }) => transitions)
    .filter(({ storageClass }) => ["GLACIER", "DEEP_ARCHIVE"].includes(storageClass));
  const first = (days: number[]) => Math.min(...days, Number.POSITIVE_INFINITY);
  return {
    expires: first(matching.flatMap(({ expiration }) => expiration?.days ?? [])),
    archived: first(archived.map(({ days }) => days)),
  };
}

/** Returns a function that says how often a cron schedule runs on a day. It does not use croner. */
function readCalendar(schedule: string): (day: number) => number {
  const [minute, hour, day, month, weekday] = schedule.split(" ") as [
    string,
    string,
    string,
    string,
    string,
  ];
  const times = list(minute, 0, 59).size * list(hour, 0, 23).size;
  const [days, months, weekdays] = [list(day, 1, 31), list(month, 1, 12), list(weekday, 0, 7)];
  if (weekdays.has(7)) weekdays.add(0);
  return (n) => {
    const date = new Date(EPOCH + n * DAY_MS);
    if (!months.has(date.getUTCMonth() + 1)) return 0;
    const [byDay, byWeekday] = [days.has(date.getUTCDate()), weekdays.has(date.getUTCDay())];
    // When day and weekday are both set, cron runs if either matches.
    const either = day !== "*" && weekday !== "*" ? byDay || byWeekday : byDay && byWeekday;
    return either ? times : 0;
  };
}

function list(field: string, low: number, high: number): Set<number> {
  const found = new Set<number>();
  for (const part of field.split(",")) {
    const [range, step = "1"] = part.split("/") as [string, string?];
    const [from, to = from] = range === "*" ? [low, high] : range.split("-").map(Number);
    for (let n = from as number; n <= (to as number); n += Number(step)) found.add(n);
  }
  return found;
}
