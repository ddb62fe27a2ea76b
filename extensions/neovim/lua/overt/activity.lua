-- What a person does besides editing: selection, what is in view, focus, the names of Ex commands.
-- Told at most once per turn of the main loop, and only about buffers that are captured.
local api = vim.api
local buffer = require("overt.buffer")
local origin = require("overt.origin")
local sidecar = require("overt.sidecar")

local M = {}

local MAX_COMMAND_BYTES = 100
local VISUAL = { v = true, V = true, ["\22"] = true }
local MOUSE = {}
for _, button in ipairs({ "Left", "Middle", "Right" }) do
  for _, how in ipairs({ "Mouse", "Drag", "Release" }) do
    MOUSE[api.nvim_replace_termcodes("<" .. button .. how .. ">", true, true, true)] = true
  end
end

local last_selection, last_view
local wanted = {}
local scheduled = false
local pressed, mouse = false, false

local namespace = api.nvim_create_namespace("overt_activity")

local function cause()
  local found = mouse and "mouse" or pressed and "keyboard" or "command"
  pressed, mouse = false, false
  return found
end

local function place(line, column)
  return { line = line - 1, character = column }
end

local function selection(known, window)
  local active = api.nvim_win_get_cursor(window)
  local mode = api.nvim_get_mode().mode
  local anchor, count = active, 1
  if VISUAL[mode] then
    local start = vim.fn.getpos("v")
    anchor = { start[2], start[3] - 1 }
    if mode == "V" then
      local down = active[1] >= anchor[1]
      local width = #vim.fn.getline(down and active[1] or anchor[1])
      anchor = { anchor[1], down and 0 or width }
      active = { active[1], down and width or 0 }
    elseif mode == "\22" then
      count = math.abs(active[1] - anchor[1]) + 1
    end
  end
  local told = { known.uri, anchor[1], anchor[2], active[1], active[2], count }
  if vim.deep_equal(told, last_selection) then
    return
  end
  last_selection = told
  local caret = known.caret
  if caret and count == 1 and anchor == active and caret[1] == active[1] and caret[2] == active[2] then
    cause() -- the edit itself says where the caret is
    return
  end
  sidecar.tell("overt/selection", {
    uri = known.uri,
    anchor = place(anchor[1], anchor[2]),
    active = place(active[1], active[2]),
    count = count,
    cause = cause(),
  })
end

local function viewport(known)
  local first, last = vim.fn.line("w0") - 1, vim.fn.line("w$") - 1
  local told = { known.uri, first, last }
  if last < first or vim.deep_equal(told, last_view) then
    return
  end
  last_view = told
  sidecar.tell("overt/viewport", { uri = known.uri, firstLine = first, lastLine = last })
end

local function tell()
  scheduled = false
  buffer.flush() -- a place is one in the text that the sidecar has
  local window = api.nvim_get_current_win()
  buffer.with(api.nvim_win_get_buf(window), function(known)
    if wanted.selection then
      selection(known, window)
    end
    viewport(known)
  end)
  wanted = {}
end

local function soon(what)
  wanted[what] = true
  if not scheduled then
    scheduled = true
    vim.schedule(tell)
  end
end

local function ran()
  if vim.v.event.abort or vim.fn.getcmdtype() ~= ":" then
    origin.command_line(nil)
    return
  end
  local line = vim.fn.getcmdline()
  -- The range, then the name; what comes after it is the person's.
  local rest = line:gsub("^[%s:]*", "")
  while true do
    local shorter = rest:gsub("^[%d%.%$%%%*,;%+%-%s]+", ""):gsub("^'[%a<>%[%]]", ""):gsub("^[/?][^/?]*[/?]", "")
    if shorter == rest then
      break
    end
    rest = shorter
  end
  local name = rest:match("^!") or rest:match("^[%a][%w_]*")
  if not name then
    origin.command_line("goto")
    return
  end
  local full = name == "!" and "!" or vim.fn.fullcommand(name:match("^%u") and name or name:match("^%a+"))
  origin.command_line(full ~= "" and full or name)
  if buffer.count() > 0 and full ~= "" and #full <= MAX_COMMAND_BYTES then
    sidecar.tell("overt/command", { command = ":" .. full })
  end
end

local function completed()
  local word = (vim.v.completed_item or {}).word
  if not word or word == "" then
    return
  end
  buffer.flush()
  buffer.with(api.nvim_get_current_buf(), function(known)
    sidecar.tell("overt/completionAccepted", { uri = known.uri, length = vim.fn.strchars(word) })
  end)
end

local function focus(focused)
  return function()
    sidecar.tell("overt/focus", { focused = focused })
  end
end

--- Begin to tell, in the given group of autocommands.
function M.start(group)
  vim.on_key(function(key)
    pressed = true
    mouse = mouse or MOUSE[key] or false
  end, namespace)
  local function on(events, callback)
    api.nvim_create_autocmd(events, { group = group, callback = callback })
  end
  on({ "CursorMoved", "CursorMovedI", "ModeChanged" }, function()
    soon("selection")
  end)
  on({ "WinScrolled", "BufWinEnter", "WinEnter", "VimResized" }, function()
    soon("viewport")
  end)
  on("CmdlineLeave", ran)
  on("CompleteDone", completed)
  on("FocusGained", focus(true))
  on("FocusLost", focus(false))
  if #api.nvim_list_uis() > 0 then
    focus(true)()
  end
end

--- Stop.
function M.stop()
  vim.on_key(nil, namespace)
  last_selection, last_view, wanted = nil, nil, {}
end

return M
