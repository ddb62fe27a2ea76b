// What happens beside documents: the window's focus, and commands as far as the editor's stable interface shows them.

import * as vscode from "vscode";

type Notify = (method: string, params: object) => void;

/** Passes on events that belong to no document; the gate keeps them only while a document is captured. */
export function watchSignals(notify: Notify): vscode.Disposable {
  const { window, debug, tasks } = vscode;
  const command = (name: string) => notify("overt/command", { command: name });
  let focused = window.state.focused;
  return vscode.Disposable.from(
    window.onDidChangeWindowState((state) => {
      if (state.focused === focused) return;
      focused = state.focused;
      notify("overt/focus", { focused });
    }),
    // Names alone: no configuration, no task, no terminal's text.
    debug.onDidStartDebugSession(() => command("workbench.action.debug.start")),
    debug.onDidTerminateDebugSession(() => command("workbench.action.debug.stop")),
    debug.onDidChangeBreakpoints(() => command("editor.debug.action.toggleBreakpoint")),
    tasks.onDidStartTask(() => command("workbench.action.tasks.runTask")),
    window.onDidOpenTerminal(() => command("workbench.action.terminal.new")),
    window.onDidChangeActiveTerminal((terminal) => terminal && command("workbench.action.terminal.focus")),
  );
}
