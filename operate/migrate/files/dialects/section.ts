/** A part of a file: the range of its text, directives included. */
export interface Section {
  start: number;
  end: number;
  noTransaction?: boolean;
}

export interface Sections {
  up: Section;
  down?: Section;
}

/** How another tool marks the parts of a file. */
export interface Dialect {
  tool: string;
  isUsedIn(text: string): boolean;
  split(path: string, text: string): Sections;
}
