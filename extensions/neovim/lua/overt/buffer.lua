-- What is captured of a buffer: its text when it is first shown, and every change after it, exactly.
--
-- Neovim calls back at each change with the lines that changed (`on_lines`) and, mostly before, with the place in
-- bytes (`on_bytes`). The lines are the truth; the place says which of two equal letters is the new one. The
-- callback compares and remembers, some microseconds; what it found is sent when the command is over.
local api = vim.api
local origin = require("overt.origin")
local sidecar = require("overt.sidecar")
local text = require("overt.text")

local M = {}

-- With its text a save mends whatever went wrong. Larger ones are compared here, line by line, and sent if they differ.
local MAX_SAVED_BYTES = 256 * 1024

local captured = {} -- buffer -> what is known of it
local asking = {} -- buffer -> true, or "again" when something happened meanwhile
local pending -- the changes of the command that is running
local scheduled = false

M.refusals = {} -- buffer -> why it is not captured

--- Whether a buffer is one that a person edits as a file.
function M.eligible(buffer)
  if not api.nvim_buf_is_loaded(buffer) or vim.bo[buffer].buftype ~= "" or vim.bo[buffer].binary then
    return false
  end
  local name = api.nvim_buf_get_name(buffer)
  return name ~= "" and not name:find("^%a[%w+.-]+://") and vim.fn.bufwinid(buffer) ~= -1
end

--- The buffer's file as a URI.
function M.uri(buffer)
  return vim.uri_from_fname(vim.fn.fnamemodify(api.nvim_buf_get_name(buffer), ":p"))
end

--- Whether a buffer is captured.
function M.captured(buffer)
  return captured[buffer] ~= nil
end

--- How many are captured.
function M.count()
  return vim.tbl_count(captured)
end

local function eol_of(buffer)
  return ({ unix = "\n", dos = "\r\n", mac = "\r" })[vim.bo[buffer].fileformat]
end

-- Whether the file's last line ends with a line end when it is written now.
local function ends(buffer)
  return vim.bo[buffer].endofline or vim.bo[buffer].fixendofline
end

-- A NUL in the text is a line feed in Neovim's lines.
local function lines_of(buffer, first, last)
  local lines = api.nvim_buf_get_lines(buffer, first, last, false)
  for at, line in ipairs(lines) do
    if line:find("\n", 1, true) then
      lines[at] = line:gsub("\n", "\0")
    end
  end
  return lines
end

-- A buffer without any line shows one empty line; its file has none.
local function content(buffer)
  local lines = lines_of(buffer, 0, -1)
  if #lines == 1 and lines[1] == "" then
    local nothing = api.nvim_buf_call(buffer, function()
      return vim.fn.line2byte(1) == -1
    end)
    return nothing and {} or lines
  end
  return lines
end

local function whole(known)
  return table.concat(known.lines, known.eol) .. (known.ends and #known.lines > 0 and known.eol or "")
end

-- Where the caret stands after a change, if that goes without saying.
local function caret_after(changes)
  local change = #changes == 1 and changes[1]
  if not change or not change.range then
    return nil
  end
  local start, put = change.range.start, change.text
  local _, breaks = put:gsub("\n", "")
  local last = breaks > 0 and #put:match("[^\n]*$") or start.character + #put
  return { start.line + breaks + 1, last }
end

local function send_change(known, changes, from, confidence, at)
  known.version = known.version + 1
  known.caret = caret_after(changes)
  sidecar.tell("textDocument/didChange", {
    textDocument = { uri = known.uri, version = known.version },
    contentChanges = changes,
  }, at, { origin = from, confidence = confidence or 0 })
end

--- Send what the command that is over has changed.
function M.flush()
  local group = pending
  if not group then
    return
  end
  pending = nil
  local known = captured[group.buffer]
  if not known then
    return
  end
  local moved
  if group.ticked then
    -- An undo says that the tick moved; where it led, the undo tree knows.
    local tree = api.nvim_buf_call(group.buffer, vim.fn.undotree)
    local before = known.undo or math.huge
    if tree.seq_cur < before and tree.seq_cur < tree.seq_last then
      moved = "undo"
    elseif tree.seq_cur > before then
      moved = "redo"
    end
    known.undo = moved and tree.seq_cur or known.undo
  end
  if not moved then
    known.undo = nil
  end
  local changes = group.changes
  if group.single and #changes > 1 then
    -- Within one line Neovim does some commands in small steps, a completion letter by letter: the person did one.
    local line = group.single
    changes = { text.within(line.number, line.text, known.lines[line.number + 1]) }
    group.seen.inserted = changes[1] and changes[1].text or ""
  end
  if #changes > 0 then
    local from, confidence = origin.classify(group.seen, moved)
    send_change(known, changes, from, confidence, group.at)
  end
  origin.used()
end

--- Flush when the main loop is reached.
function M.soon()
  if scheduled then
    return
  end
  scheduled = true
  vim.schedule(function()
    scheduled = false
    M.flush()
    origin.rest()
  end)
end

-- What is known no longer fits: tell the whole text.
local function resync(buffer, known, from)
  pending = nil
  known.lines = content(buffer)
  known.eol, known.ends, known.undo = eol_of(buffer), ends(buffer), nil
  send_change(known, { { text = whole(known) } }, from, from == "unknown" and 0 or 95)
end

local function splice(lines, first, last, new)
  local grown = #new - (last - first)
  if grown ~= 0 then
    local count = #lines
    if grown > 0 then
      for at = count, last + 1, -1 do
        lines[at + grown] = lines[at]
      end
    else
      for at = last + 1, count do
        lines[at + grown] = lines[at]
      end
      for at = count + grown + 1, count do
        lines[at] = nil
      end
    end
  end
  for at = 1, #new do
    lines[first + at] = new[at]
  end
end

local function on_lines(buffer, known, first, last, new_last)
  local hint = known.hint
  known.hint = nil
  if first > #known.lines then
    vim.schedule(function()
      if captured[buffer] == known then
        resync(buffer, known, "unknown")
      end
    end)
    known.lines = lines_of(buffer, 0, -1)
    return
  end
  last = math.min(last, #known.lines)
  local new = lines_of(buffer, first, new_last)
  local changes = text.changes(known.lines, first, last, new, known.eol, known.ends, hint)
  local single = last == first + 1 and #new == 1 and { number = first, text = known.lines[last] } or nil
  splice(known.lines, first, last, new)
  if #changes == 0 then
    return
  end
  if pending and pending.buffer ~= buffer then
    M.flush()
  end
  if not pending then
    local seen = origin.observe(changes[1].text)
    pending = { buffer = buffer, changes = {}, single = single, seen = seen, at = sidecar.now() }
  elseif not (single and pending.single and single.number == pending.single.number) then
    pending.single = nil
  end
  for _, change in ipairs(changes) do
    pending.changes[#pending.changes + 1] = change
  end
  M.soon()
end

-- One line changed within: the only place that is told precisely enough to be used.
local function on_bytes(known, row, column, old_rows, old_bytes, new_rows, new_bytes)
  if known.hint == nil and old_rows == 0 and new_rows == 0 then
    known.hint = { column, old_bytes, new_bytes, row }
  else
    known.hint = false -- several places, or several lines
  end
end

--- Stop capturing a buffer.
function M.close(buffer)
  M.flush()
  local known = captured[buffer]
  if known then
    captured[buffer] = nil
    sidecar.tell("textDocument/didClose", { textDocument = { uri = known.uri } })
  end
end

--- Forget all about every buffer, without a word to a sidecar that is gone.
function M.forget_all()
  captured, asking, pending = {}, {}, nil
  M.refusals = {}
end

--- Close every captured buffer.
function M.close_all()
  for buffer in pairs(captured) do
    M.close(buffer)
  end
  M.refusals = {}
end

local function attach(buffer, known)
  return api.nvim_buf_attach(buffer, false, {
    on_bytes = function(_, _, _, row, column, _, old_rows, _, old_bytes, new_rows, _, new_bytes)
      if captured[buffer] ~= known then
        return true
      end
      on_bytes(known, row, column, old_rows, old_bytes, new_rows, new_bytes)
    end,
    on_lines = function(_, _, _, first, last, new_last)
      if captured[buffer] ~= known then
        return true
      end
      on_lines(buffer, known, first, last, new_last)
    end,
    on_changedtick = function()
      if pending and pending.buffer == buffer then
        pending.ticked = true
      end
    end,
    on_reload = function()
      if captured[buffer] == known then
        resync(buffer, known, "external")
      end
    end,
    on_detach = function()
      known.detached = true
    end,
  })
end

local function open(buffer, uri)
  local known = {
    uri = uri,
    version = 0,
    lines = content(buffer),
    eol = eol_of(buffer),
    -- A file whose last line has no line end gets one at the next save, not before.
    ends = vim.bo[buffer].endofline,
  }
  if not attach(buffer, known) then
    return
  end
  captured[buffer] = known
  sidecar.tell("textDocument/didOpen", {
    textDocument = { uri = uri, languageId = vim.bo[buffer].filetype, version = 0, text = whole(known) },
  })
end

local function decide(buffer, uri, answer)
  if M.uri(buffer) ~= uri then
    return
  end
  local known = captured[buffer]
  local refused = not answer.captured and #answer.refusals > 0
  M.refusals[buffer] = #answer.refusals > 0 and answer.refusals or nil
  if known and (known.uri ~= uri or not answer.captured) then
    M.close(buffer)
  end
  if not refused and not captured[buffer] then
    open(buffer, uri)
  end
end

--- Ask whether a buffer's file is captured, and begin or end with it. Its text is sent only after a yes.
function M.check(buffer, done)
  if sidecar.state ~= "ready" then
    return
  elseif asking[buffer] then
    asking[buffer] = "again"
    return
  elseif not M.eligible(buffer) then
    return
  end
  asking[buffer] = true
  local uri = M.uri(buffer)
  M.flush()
  sidecar.request("overt/why", { uri = uri }, function(answer)
    local again = asking[buffer] == "again"
    asking[buffer] = nil
    if not answer or not api.nvim_buf_is_valid(buffer) or not M.eligible(buffer) then
      return
    end
    decide(buffer, uri, answer)
    done(buffer)
    if again then
      M.check(buffer, done)
    end
  end)
end

--- A buffer's text was let go of: for good, or because its file is read anew.
function M.unloaded(buffer)
  vim.schedule(function()
    if not api.nvim_buf_is_loaded(buffer) then
      M.close(buffer)
    end
  end)
end

--- A file was read into a buffer that was open already: `:edit!`, or another program wrote it.
function M.reloaded(buffer)
  local known = captured[buffer]
  if known and known.detached and attach(buffer, known) then
    known.detached = nil
    resync(buffer, known, "external")
  end
end

--- A buffer was written.
function M.saved(buffer)
  local known = captured[buffer]
  if not known then
    return
  end
  M.flush()
  local now_ends = ends(buffer)
  if now_ends ~= known.ends and #known.lines > 0 then
    local count = #known.lines
    local at = { line = count - 1, character = #known.lines[count] }
    local after = { line = count, character = 0 }
    local range = now_ends and { start = at, ["end"] = at } or { start = at, ["end"] = after }
    known.ends = now_ends
    send_change(known, { { range = range, text = now_ends and known.eol or "" } }, "formatter", 90)
  end
  local lines = lines_of(buffer, 0, -1)
  local emptied = #known.lines == 0 and #lines == 1 and lines[1] == "" -- every line was deleted: the file has none
  if eol_of(buffer) ~= known.eol or not (emptied or vim.deep_equal(known.lines, lines)) then
    resync(buffer, known, "unknown")
  end
  local saved = { textDocument = { uri = known.uri } }
  if api.nvim_buf_get_offset(buffer, api.nvim_buf_line_count(buffer)) <= MAX_SAVED_BYTES then
    saved.text = whole(known)
  end
  sidecar.tell("textDocument/didSave", saved)
end

--- A buffer has another name: its content goes on under it, where that place is captured.
function M.renamed(buffer)
  local known = captured[buffer]
  if not known then
    return
  end
  local uri = M.uri(buffer)
  if uri ~= known.uri then
    M.flush()
    sidecar.tell("workspace/didRenameFiles", { files = { { oldUri = known.uri, newUri = uri } } })
    known.uri, known.version = uri, 0
  end
end

--- Whether everything that was changed has been sent.
function M.rested()
  return pending == nil and not scheduled
end

--- Run `act(known)` where the buffer is captured.
function M.with(buffer, act)
  local known = captured[buffer]
  if known and not known.detached then
    act(known)
  end
end

return M
