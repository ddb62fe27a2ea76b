// Stands for other extensions, with the editor's stable interface only.
const { ConfigurationTarget, commands, languages, workspace, window, Position, Range, TextEdit, Uri, WorkspaceEdit, CompletionItem, InlineCompletionItem } = require("vscode");

const FILES = { scheme: "file" };

async function write(uri, position, text) {
  const edit = new WorkspaceEdit();
  edit.insert(uri, position, text);
  await workspace.applyEdit(edit);
}

exports.activate = (context) => {
  const front = () => window.activeTextEditor.document;
  context.subscriptions.push(
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
