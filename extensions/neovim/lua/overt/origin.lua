-- Who made a change: told from what Neovim says about it, never from its size or its speed.
--
-- A change is classified when the command that made it is over, that is, before the next key is taken or when the main
-- loop is reached. What is known by then: the mode, the keys of the command, the Ex command, whether Lua code was on
-- the stack and whose, whether the undo state moved, and whether a paste, a reload or a save was going on.
-- docs/EDITORS.md has the table with the confidences.
local M = {}

-- Code that is on the stack when it changes a buffer, by a part of its file's path.
local MAKERS = {
  { "conform", "formatter" },
  { "null%-ls", "formatter" },
  { "none%-ls", "formatter" },
  { "guard%-collection", "formatter" },
  { "formatter%.nvim", "formatter" },
  { "nvim%-cmp", "completion" },
  { "blink%.cmp", "completion" },
  { "LuaSnip", "completion" },
  { "mini/completion", "completion" },
  { "mini/snippets", "completion" },
  { "vim/lsp/completion", "completion" },
  { "vim/snippet", "completion" },
  { "copilot", "agent" },
  { "codeium", "agent" },
  { "supermaven", "agent" },
  { "avante", "agent" },
  { "codecompanion", "agent" },
  { "CopilotChat", "agent" },
  { "minuet", "agent" },
}
local FORMATTING = { "textDocument/formatting", "textDocument/rangeFormatting" }
-- Ex commands that bring text from elsewhere or hand it to a program.
local EX = {
  put = { "pasted", 95 },
  iput = { "pasted", 95 },
  read = { "external", 60 },
  ["!"] = { "formatter", 50 },
}
local CTRL_N, CTRL_P, CTRL_R, CTRL_V, CTRL_X = "\14", "\16", "\18", "\22", "\24"
local HOW = { ["\15"] = true, [CTRL_P] = true, [CTRL_R] = true } -- CTRL-R CTRL-O x: literally, and so on
local MAX_KEYS = 16
local MAX_DEPTH = 24

local namespace = vim.api.nvim_create_namespace("overt_keys")
local keys = {} -- of this command, at most MAX_KEYS; forgotten with it, and told to nobody
local before_key, after_key = function() end, function() end
local literal = false -- text of a register streams in as if it were typed
local key_mode -- the mode in which the last key was pressed; formatting goes through Insert mode without the person
local ex -- the Ex command that is running
local pasting, saving = false, false
local original_paste, our_paste

local function on_key(key)
  before_key()
  if key == "" then
    return -- since Neovim 0.11: one that a mapping has used up
  end
  local last = keys[#keys]
  local names_register = last == CTRL_R and not HOW[key] or HOW[last] and keys[#keys - 1] == CTRL_R
  if names_register and vim.api.nvim_get_mode().mode:find("^[iR]") then
    literal = true
  end
  if #keys >= MAX_KEYS then
    table.remove(keys, 1)
  end
  keys[#keys + 1] = key
  key_mode = vim.api.nvim_get_mode().mode
  after_key()
end

--- Begin to watch. `flush` is called before each key, to end the command before; `soon` sees to it that `rest` is
--- called when the main loop is reached.
function M.start(flush, soon)
  before_key, after_key = flush, soon
  vim.on_key(on_key, namespace)
  original_paste = vim.paste
  our_paste = function(...)
    pasting = true
    local answer = { pcall(original_paste, ...) }
    flush()
    pasting = false
    if not answer[1] then
      error(answer[2], 0)
    end
    return unpack(answer, 2)
  end
  vim.paste = our_paste
end

--- Watch no key any more, and forget those that were seen.
function M.stop()
  vim.on_key(nil, namespace)
  keys, literal, ex = {}, false, nil
  if vim.paste == our_paste then
    vim.paste = original_paste
  end
end

--- The main loop was reached: whatever was going on is over, unless half a command waits for its other half.
function M.rest()
  local now = vim.api.nvim_get_mode()
  literal, ex = false, nil
  if not now.blocking and not now.mode:find("^no") then
    keys = {}
  end
end

--- An Ex command line is run, or was left without.
function M.command_line(name)
  ex = name
end

--- A buffer is being written, or was.
function M.saving(now)
  saving = now
end

-- Whose Lua code is on the stack of a change: `nil` when it is none's, else an origin or "lua".
local function on_stack()
  local handlers = vim.lsp and rawget(vim.lsp, "handlers") or {}
  local found
  for level = 4, MAX_DEPTH do
    local frame = debug.getinfo(level, "Sfn")
    if not frame then
      return found
    end
    if frame.what ~= "C" and not frame.source:find("lua/overt/", 1, true) then
      found = found or "lua"
      for _, maker in ipairs(MAKERS) do
        if frame.source:find(maker[1]) then
          return maker[2]
        end
      end
      if frame.source:find("vim/lsp/buf.lua", 1, true) and frame.name and frame.name:find("^format") then
        return "formatter"
      end
      for _, method in ipairs(FORMATTING) do
        if frame.func == rawget(handlers, method) then
          return "formatter"
        end
      end
    end
  end
  return found
end

--- What is known at the moment of a change; classified later.
function M.observe(inserted)
  return {
    mode = #keys > 0 and key_mode or vim.api.nvim_get_mode().mode,
    completing = vim.api.nvim_get_mode().mode:find("^[iR][cx]") ~= nil,
    keys = keys,
    literal = literal,
    ex = ex,
    pasting = pasting,
    saving = saving,
    stack = on_stack(),
    inserted = inserted,
  }
end

--- Forget the keys of a command that changed something: the next command has its own.
function M.used()
  keys = {}
end

-- Whether the last key of Insert mode takes a completion, or another one (|ins-completion|).
local function completes(pressed)
  local last, before = pressed[#pressed], pressed[#pressed - 1]
  return last == CTRL_N or last == CTRL_P or (before == CTRL_X and last and last:find("^%c$"))
end

-- The keys of a Normal mode command, without its register and count.
local function command_of(pressed)
  local text = table.concat(pressed)
  return (text:gsub('^%d*"[^\n]', ""):gsub("^%d+", ""))
end

local function in_insert_mode(seen)
  local last = seen.keys[#seen.keys]
  local typed = table.concat(seen.keys)
  if completes(seen.keys) or (seen.completing and seen.inserted ~= "" and seen.inserted ~= last) then
    return "completion", 95
  elseif seen.literal then
    return "pasted", 95
  end
  local inserted = seen.inserted:gsub("(.)\r?\n$", "%1") -- the first character of a file brings its line end along
  if inserted == "" or typed:sub(-#inserted) == inserted then
    return "typed", 100
  elseif seen.keys[#seen.keys - 1] == CTRL_V or seen.inserted:find("^%s+$") then
    return "typed", 95 -- a character by its number; a line end with its indentation
  end
  return "typed", 80 -- an abbreviation, a mapping, several keys at once
end

local function in_other_modes(seen)
  if seen.ex then
    local known = EX[seen.ex]
    if known then
      return known[1], known[2]
    end
    return "typed", 80
  end
  local command = command_of(seen.keys)
  if command == "" then
    return "unknown", 0 -- a timer, another program over RPC: no key was pressed
  elseif command:find("^[%]%[gz]?[pP]$") or command:find("^[vV\22]?.*[pP]$") and seen.mode:find("^[vV\22]") then
    return "pasted", 95
  elseif command:find("^=") or command:find("^g[qw]") then
    return "formatter", 80
  end
  return "typed", 90
end

--- Give the origin of a change and the confidence in percent. `moved` is "undo", "redo" or nil.
function M.classify(seen, moved)
  if seen.pasting then
    return "pasted", 100
  elseif moved then
    return moved, 100
  elseif seen.stack and seen.stack ~= "lua" then
    if seen.stack == "agent" and #seen.keys > 0 then
      return "completion", 70 -- a suggestion that a key took over
    end
    return seen.stack, 80
  elseif seen.saving then
    return "formatter", 70
  elseif seen.stack == "lua" then
    if #seen.keys == 0 then
      return "unknown", 0
    end
    return "typed", 60 -- a mapping: brackets that close themselves, a toggled comment
  elseif seen.mode:find("^[iR]") then
    return in_insert_mode(seen)
  end
  return in_other_modes(seen)
end

return M
