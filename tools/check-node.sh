#!/bin/sh
# Runs before anything is installed, so it uses only the shell.
if ! command -v node >/dev/null 2>&1; then
  echo "error: Node.js is not installed; pgstead needs 20.19 or newer: https://nodejs.org" >&2
  exit 1
fi
node -e '
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) process.exit(0);
  console.error(`error: Node.js ${process.versions.node} is too old; pgstead needs 20.19 or newer: https://nodejs.org`);
  process.exit(1);
'
