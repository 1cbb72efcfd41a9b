import manifest from "@pulumi/docker/package.json" with { type: "json" };

import { bridged } from "../base/bridged.ts";
import { serve } from "../base/serve.ts";
import { container } from "./container.ts";
import { connect, connectedEngine } from "./engine.ts";
import { image } from "./image.ts";
import { network } from "./network.ts";
import { remoteImage } from "./remote-image.ts";
import { volume } from "./volume.ts";

serve({
  name: "docker",
  version: manifest.version,
  resources: {
    "docker:index/container:Container": bridged(container),
    "docker:index/image:Image": image,
    "docker:index/network:Network": bridged(network),
    "docker:index/remoteImage:RemoteImage": bridged(remoteImage),
    "docker:index/volume:Volume": bridged(volume),
  },
  invokes: {
    "docker:index/getNetwork:getNetwork": async (_config, args) => {
      const found = await connectedEngine().get(`/networks/${args.name}`);
      return { id: found.Id, name: found.Name, driver: found.Driver, internal: found.Internal };
    },
  },
  // If the engine is out of reach, every operation fails, also a preview.
  configure: connect,
});
