/** `*`, `?`, `[a-z]`, `[!a-z]` and `{a,b}` on one name; Node 20 has no matcher of its own. */
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
  return new RegExp(`^${pattern}$`);
}
