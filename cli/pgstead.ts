import { main } from "./main.ts";
import { assertFresh } from "./stale-bundle.ts";

assertFresh(__filename);
void main(process.argv.slice(2));
