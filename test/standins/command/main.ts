import manifest from "@pulumi/command/package.json" with { type: "json" };

import { serve } from "../base/serve.ts";
import { localCommand } from "./local-command.ts";

serve({
  name: "command",
  version: manifest.version,
  acceptSecrets: true,
  resources: { "command:local:Command": localCommand },
});
