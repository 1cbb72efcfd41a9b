/** Supports `*`, `?`, `[a-z]`, `[!a-z]` and `{a,b}` in one name. Node has a matcher only from version 22 on. */
export function globToRegExp(glob: string): RegExp {
  let pattern = "";
  let alternatives = 0;
  for (const [char] of glob.matchAll(/\[[^\]]+\]|./gs)) {
    if (char === "*") pattern += ".*";
    else if (char === "?") pattern += ".";
    else if (char.length > 1) pattern += char.replace(/^\[!/, "[^");
    else if (char === "{") {
      alternatives++;
      pattern += "(?:";
    } else if (char === "}" && alternatives > 0) {
      alternatives--;
      pattern += ")";
    } else if (char === "," && alternatives > 0) pattern += "|";
    else pattern += char.replace(/[\\^$.*+?()[\]{}|/]/, "\\$&");
  }
  return new RegExp(`^${pattern}$`, "s");
}
