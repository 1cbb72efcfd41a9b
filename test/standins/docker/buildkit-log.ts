type Fields = Map<number, Buffer[]>;

/** Reads the length-delimited fields of one protobuf message. The build's trace needs no others. */
function fieldsOf(message: Buffer): Fields {
  const fields: Fields = new Map();
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = message[at++] ?? 0;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
  };
  while (at < message.length) {
    const key = varint();
    const wire = key & 7;
    if (wire === 0) varint();
    else if (wire === 1) at += 8;
    else if (wire === 5) at += 4;
    else {
      const length = varint();
      const field = Math.floor(key / 8);
      fields.set(field, [...(fields.get(field) ?? []), message.subarray(at, at + length)]);
      at += length;
    }
  }
  return fields;
}

function textOf(message: Buffer, field: number): string {
  return fieldsOf(message).get(field)?.[0]?.toString("utf8") ?? "";
}

/** Turns a BuildKit trace (steps, their errors, their output) into lines of text. */
export function readTrace(trace: Buffer): string[] {
  const response = fieldsOf(trace);
  const steps = response.get(1) ?? [];
  const lines = steps.flatMap((step) => {
    const error = textOf(step, 7);
    return [`digest: ${textOf(step, 1)}`, textOf(step, 3), ...(error ? [`error: ${error}`] : [])];
  });
  lines.push(...(response.get(2) ?? []).map((status) => textOf(status, 1)));
  lines.push(...(response.get(3) ?? []).map((log) => textOf(log, 4)));
  return lines.map((line) => line.trimEnd()).filter(Boolean);
}
