// Stands for other extensions, with the editor's stable interface only.
const { readFileSync, writeFileSync } = require("node:fs");
const { ConfigurationTarget, commands, languages, workspace, window, Position, Range, TextEdit, Uri, WorkspaceEdit, CompletionItem, InlineCompletionItem } = require("vscode");

const FILES = { scheme: "file" };

async function write(uri, position, text) {
  const edit = new WorkspaceEdit();
  edit.insert(uri, position, text);
  await workspace.applyEdit(edit);
}

/** Plays `[milliseconds, [position, deleted, inserted]...]` into the editor in front, each at its time or after it. */
async function play() {
  const { steps, done } = JSON.parse(readFileSync(await window.showInputBox(), "utf8"));
  const editor = window.activeTextEditor;
  const began = Date.now();
  for (const [at, ...patches] of steps) {
    const early = at - (Date.now() - began);
    if (early > 0) await new Promise((resolve) => setTimeout(resolve, early));
    for (const [position, deleted, inserted] of patches) {
      const { document } = editor;
      const range = new Range(document.positionAt(position), document.positionAt(position + deleted));
      const options = { undoStopBefore: false, undoStopAfter: false };
      if (!(await editor.edit((builder) => builder.replace(range, inserted), options))) throw new Error("not applied");
    }
  }
  await editor.document.save();
  writeFileSync(done, String(Date.now() - began));
}

exports.activate = (context) => {
  const front = () => window.activeTextEditor.document;
  context.subscriptions.push(
    commands.registerCommand("helper.play", play),
    commands.registerCommand("helper.set", async () => {
      const [name, value] = JSON.parse(await window.showInputBox());
      await workspace.getConfiguration().update(name, value, ConfigurationTarget.Global);
    }),
    commands.registerCommand("helper.agentAbove", () =>
      write(front().uri, new Position(0, 0), "# The helper wrote this paragraph above everything else in here.\n"),
    ),
    commands.registerCommand("helper.agentBelow", () =>
      write(front().uri, front().lineAt(front().lineCount - 1).range.end, "\ndef helper_wrote_this(value):\n    return value\n"),
    ),
    commands.registerCommand("helper.agentRename", async () => {
      const document = front();
      const edit = new WorkspaceEdit();
      for (const found of document.getText().matchAll(/\bentries\b/g)) {
        edit.replace(document.uri, new Range(document.positionAt(found.index), document.positionAt(found.index + 7)), "bookings");
      }
      await workspace.applyEdit(edit);
    }),
    commands.registerCommand("helper.agentRewrite", async () => {
      const document = front();
      const last = document.lineCount - 1;
      const edit = new WorkspaceEdit();
      edit.replace(document.uri, new Range(last - 3, 0, last, 0), "# The helper shortened these notes.\n# - kept: what is needed\n");
      await workspace.applyEdit(edit);
    }),
    commands.registerCommand("helper.agentOther", () =>
      write(Uri.joinPath(front().uri, "../second.py"), new Position(0, 0), "ELSEWHERE = True\n"),
    ),
    languages.registerDocumentFormattingEditProvider(FILES, {
      provideDocumentFormattingEdits(document) {
        const edits = [];
        for (let number = 0; number < document.lineCount; number += 1) {
          const { text, range } = document.lineAt(number);
          const tidy = text.replace(/[ \t]+$/, "").replace(/(\w)=(\w)/g, "$1 = $2");
          if (tidy !== text) edits.push(TextEdit.replace(range, tidy));
        }
        return edits;
      },
    }),
    languages.registerInlineCompletionItemProvider(FILES, {
      provideInlineCompletionItems(document, position) {
        if (!document.lineAt(position).text.endsWith("def ghost")) return [];
        return [new InlineCompletionItem("(a, b):\n    return a + b", new Range(position, position))];
      },
    }),
    languages.registerCompletionItemProvider(FILES, {
      provideCompletionItems: () => [new CompletionItem("suggested_by_the_helper")],
    }),
  );
};
