import ts from "typescript";

/** One change of one file: the text between `start` and `end` becomes `text`. */
export interface Mutation {
  start: number;
  end: number;
  line: number;
  text: string;
  /** What was changed, for people. */
  change: string;
}

const OPERATORS = new Map(
  Object.entries({
    "&&": "||",
    "||": "&&",
    "===": "!==",
    "!==": "===",
    "<": "<=",
    "<=": "<",
    ">": ">=",
    ">=": ">",
    "-": "+",
    "*": "/",
    "/": "*",
    "%": "*",
  }),
);
const METHODS = new Map(
  Object.entries({
    some: "every",
    every: "some",
    min: "max",
    max: "min",
    startsWith: "endsWith",
    endsWith: "startsWith",
  }),
);
/** Calls that give back something like what they were called on. */
const PASSED_THROUGH = ["filter", "sort", "reverse", "slice", "trim", "toLowerCase"];

/** Every change of this kind that the source allows. */
export function findMutations(source: string): Mutation[] {
  const file = ts.createSourceFile("source.ts", source, ts.ScriptTarget.Latest, true);
  const found: Mutation[] = [];
  visit(file);
  return found;

  function visit(node: ts.Node): void {
    // Imports and types have nothing that runs.
    if (ts.isImportDeclaration(node) || ts.isTypeNode(node) || ts.isInterfaceDeclaration(node))
      return;
    mutate(node);
    ts.forEachChild(node, visit);
  }

  function add(node: ts.Node, text: string): void {
    const start = node.getStart(file);
    const line = file.getLineAndCharacterOfPosition(start).line + 1;
    const change = `${firstLine(node.getText(file))} -> ${firstLine(text) || "nothing"}`;
    found.push({ start, end: node.getEnd(), line, text, change });
  }

  function mutate(node: ts.Node): void {
    if (ts.isBinaryExpression(node)) mutateBinary(node);
    else if (ts.isCallExpression(node)) mutateCall(node);
    else {
      const replaced = findReplaced(node);
      if (replaced) add(...replaced);
    }
    if (ts.isExpressionStatement(node) && isCall(node.expression)) add(node, ";");
  }

  /** The part of a node to replace, and by what. */
  function findReplaced(node: ts.Node): [ts.Node, string] | undefined {
    if (ts.isPrefixUnaryExpression(node) && node.operator === ts.SyntaxKind.ExclamationToken) {
      return [node, node.operand.getText(file)];
    }
    if (node.kind === ts.SyntaxKind.TrueKeyword) return [node, "false"];
    if (node.kind === ts.SyntaxKind.FalseKeyword) return [node, "true"];
    if (ts.isNumericLiteral(node) && !ts.isPropertyAssignment(node.parent)) {
      return [node, `(${node.text} + 1)`];
    }
    if (ts.isIfStatement(node)) return [node.expression, "false"];
    if (ts.isConditionalExpression(node)) return [node.condition, "false"];
    if (ts.isThrowStatement(node)) return [node, ";"];
    return undefined;
  }

  function mutateBinary(node: ts.BinaryExpression): void {
    const operator = node.operatorToken.getText(file);
    const other = OPERATORS.get(operator);
    const [left, right] = [node.left.getText(file), node.right.getText(file)];
    // The two kinds may not stand side by side without parentheses.
    if (other) add(node, `((${left}) ${other} (${right}))`);
    if (operator === "??") add(node, left);
  }

  function mutateCall(node: ts.CallExpression): void {
    if (!ts.isPropertyAccessExpression(node.expression)) return;
    const { expression, name } = node.expression;
    const other = METHODS.get(name.text);
    if (other) add(name, other);
    if (PASSED_THROUGH.includes(name.text)) add(node, expression.getText(file));
  }
}

const isCall = (node: ts.Expression): boolean =>
  ts.isCallExpression(node) || (ts.isAwaitExpression(node) && isCall(node.expression));

const firstLine = (text: string) => {
  const [first = "", ...rest] = text.split("\n");
  return rest.length > 0 ? `${first.trim()} ...` : first.trim();
};
