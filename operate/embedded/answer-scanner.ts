const READY_FOR_QUERY = 0x5a; // 'Z'
const IDLE = 0x49; // 'I'

/** Reads an answer, in chunks of any size, to learn whether it ends with "ready" and no transaction. */
export class AnswerScanner {
  isIdle = false;
  private header: number[] = [];
  private left = 0;

  scan(data: Uint8Array): void {
    for (let at = 0; at < data.length; ) {
      if (this.left > 0) {
        const step = Math.min(this.left, data.length - at);
        this.left -= step;
        if (this.header[0] === READY_FOR_QUERY && this.left === 0) {
          this.isIdle = data[at + step - 1] === IDLE;
        }
        at += step;
        if (this.left === 0) this.header = [];
      } else {
        this.header.push(data[at++] as number);
        if (this.header.length === 5) this.readHeader();
      }
    }
  }

  private readHeader(): void {
    const [, a, b, c, d] = this.header as [number, number, number, number, number];
    this.left = ((a << 24) | (b << 16) | (c << 8) | d) - 4;
    if (this.header[0] !== READY_FOR_QUERY) this.isIdle = false;
    if (this.left === 0) this.header = [];
  }
}
