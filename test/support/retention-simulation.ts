/**
 * Stack, agent and bucket lived through day by day. It knows nothing of the proof: a calendar of its
 * own, and lists of what lies where.
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

export interface Breaks {
  /** Fewer than there must be. */
  few?: number;
  /** Unlocked while it was to stay. */
  unlocked?: number;
  /** Expired, and uploaded again. */
  again?: number;
  /** Nothing left in a year without backups. */
  silent?: number;
}

interface Thing {
  id: number;
  since: number;
}

type Fate = ReturnType<typeof fateOf>;

const DAY_MS = 86_400_000;
const EPOCH = Date.UTC(2001, 0, 1);

/** Lives through the schedule from each of its run days in so many, and keeps the earliest breaks. */
export function simulate(world: World, calendarDays: number): Breaks {
  const breaks: Breaks = {};
  const note = (kind: keyof Breaks, day: number) => {
    breaks[kind] = Math.min(breaks[kind] ?? Number.POSITIVE_INFINITY, day);
  };
  const onDay = calendar(world.schedule);
  const known: number[] = [];
  const runs = (day: number) => {
    known[day] ??= onDay(day);
    return known[day];
  };
  for (let start = 0; start < calendarDays; start++) {
    if (runs(start) > 0) live(world, (day) => runs(start + day), note);
  }
  // One day of backups, and then never again.
  live(world, (day) => (day === 0 ? 1 : 0), note, true);
  return breaks;
}

function live(
  { rules, keepDays, minBackups, lockDays }: World,
  runsOn: (day: number) => number,
  note: (kind: keyof Breaks, day: number) => void,
  silent = false,
): void {
  const wanted = silent ? 1 : minBackups;
  const ofDumps = fateOf("dumps/app-20270101T020000Z.dump", rules);
  const ofKeep = fateOf("keep/a/backup.dump", rules);
  let dumps: Thing[] = [];
  let keep: Thing[] = [];
  let volume: { id: number; day: number }[] = [];
  let taken = 0;
  /** When the bucket let go of which. */
  const gone = new Map<number, number>();
  const longest = rules.map(({ expiration, transitions }) =>
    Math.max(expiration?.days ?? 0, ...(transitions ?? []).map(({ days }) => days)),
  );
  let end = silent ? 365 : Math.max(lockDays ?? 1, ...longest) + 2;
  for (let day = 0; day <= end; day++) {
    for (const { id, since } of dumps) if (day > since + ofDumps.expires) gone.set(id, day);
    dumps = dumps.filter(({ since }) => day <= since + ofDumps.expires);
    keep = keep.filter(({ since }) => day <= since + ofKeep.expires);
    look(day);
    for (let run = 0; run < runsOn(day); run++) {
      const id = taken++;
      volume.push({ id, day });
      // What was taken late in its day is that young in the morning of its last.
      volume = volume.filter((one) => day - one.day <= keepDays);
      for (const copy of volume) {
        if (dumps.some((one) => one.id === copy.id)) continue;
        const left = gone.get(copy.id);
        if (left !== undefined) note("again", left);
        dumps.push({ id: copy.id, since: day });
      }
      keep = [{ id, since: day }];
    }
    if (silent) continue;
    theft(day);
    // As long as the first one is on the volume it may come back.
    if (volume[0]?.id === 0) end = Math.max(end, day + 2);
  }

  function look(day: number): void {
    const readable = (of: Fate) => (one: Thing) => day <= one.since + of.archived;
    const there = new Set(
      [...dumps.filter(readable(ofDumps)), ...keep.filter(readable(ofKeep))].map(({ id }) => id),
    );
    if (there.size < Math.min(wanted, taken)) note(silent ? "silent" : "few", day);
  }

  /** Somebody with every permission but that of the lock, at the end of a day. */
  function theft(day: number): void {
    if (lockDays === undefined) return;
    for (const { id, since } of dumps) {
      const stays = ofDumps.expires;
      // Where nothing expires, those that must be there stay.
      const isToStay =
        stays === Number.POSITIVE_INFINITY ? id >= taken - wanted : day - since < stays;
      if (day - since >= lockDays && isToStay) note("unlocked", day - since);
    }
  }
}

/** When a rule of the bucket makes an object vanish, and when it can no longer be read at once. */
function fateOf(key: string, rules: World["rules"]) {
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

/** How often a schedule runs on a day: minute, hour, day, month, weekday of cron, read anew. */
function calendar(schedule: string): (day: number) => number {
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
    // With both named, either will do.
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
