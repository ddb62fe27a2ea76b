-- The process `overt lsp` and the pipe to it. A client of its own, beside Neovim's: `vim.lsp` would copy the line
-- table at every key, would make its other clients send without debounce, and would log what it sends when it is
-- told to debug. Nothing here ever waits for the sidecar while a person types.
local uv = vim.loop

local M = {}

-- A sidecar that does not read: past so much unsent text, capture is given up rather than memory.
local MAX_UNSENT_BYTES = 32 * 1024 * 1024
-- Restarts after a crash, in milliseconds; after the last one it is left alone.
local RESTART_AFTER_MS = { 500, 2000, 8000 }
-- A sidecar that lived so long is in good health: the restarts begin anew.
local HEALTHY_MS = 60000
-- Keys wait here so long, in milliseconds, and go together, each with its time: to be woken costs the sidecar more than
-- a key does. A row that grows past so many bytes is no typing, and goes at once.
local ROW_MS = 960
local ROW_BYTES = 6144
local WAITS = {
  ["textDocument/didChange"] = true,
  ["overt/selection"] = true,
  ["overt/viewport"] = true,
  ["overt/completionAccepted"] = true,
}
-- How long leaving Neovim may wait until all is on disk. It takes some 20 ms.
local LEAVE_MS = 2000

-- What may follow what. `crashed` is between a death and the next start.
local MOVES = {
  stopped = { starting = true, failed = true },
  starting = { ready = true, crashed = true, failed = true, stopped = true },
  ready = { crashed = true, failed = true, stopped = true },
  crashed = { starting = true, failed = true, stopped = true },
  failed = { starting = true, stopped = true, failed = true },
}

M.state = "stopped"
M.problem = nil -- one sentence: why it failed
M.version = nil -- the sidecar's own
M.on_state = function() end
M.on_notification = function() end

local process, stdin, buffered, next_id, waiting
local row, row_bytes = {}, 0
local row_timer = assert(uv.new_timer())
local crashes, started_ms = 0, 0
local generation = 0 -- callbacks of an earlier process are void

local function move(state, problem)
  assert(MOVES[M.state][state], M.state .. " does not become " .. state)
  M.state, M.problem = state, problem
  M.on_state(state)
end

local function drop()
  generation = generation + 1
  row, row_bytes = {}, 0
  row_timer:stop()
  if stdin and not stdin:is_closing() then
    stdin:close() -- its end of input; the process is reaped when it has ended
  end
  process, stdin = nil, nil
  local lost = waiting or {}
  waiting = {}
  for _, callback in pairs(lost) do
    callback(nil, { message = "the sidecar has gone" })
  end
end

local function fail(problem)
  drop()
  move("failed", problem)
end

-- Write what waits.
local function release()
  local pieces = row
  row, row_bytes = {}, 0
  row_timer:stop()
  if stdin and not stdin:is_closing() then
    stdin:write(pieces)
  end
end

local function send(message)
  if not stdin or stdin:is_closing() then
    return
  end
  message.jsonrpc = "2.0"
  local body = vim.json.encode(message)
  if stdin:get_write_queue_size() + #body > MAX_UNSENT_BYTES then
    local stuck = process
    fail("the sidecar does not read what it is sent; capture has ended.")
    if stuck and not stuck:is_closing() then
      stuck:kill("sigkill")
    end
    return
  end
  if #row == 0 and WAITS[message.method] then
    row_timer:start(ROW_MS, 0, release)
  end
  vim.list_extend(row, { "Content-Length: ", tostring(#body), "\r\n\r\n", body })
  row_bytes = row_bytes + #body
  if row_bytes > ROW_BYTES or not WAITS[message.method] then
    release()
  end
end

--- Send a notification of the protocol's own.
function M.notify(method, params)
  send({ method = method, params = params })
end

--- The time of day, in milliseconds.
function M.now()
  local seconds, microseconds = uv.gettimeofday()
  return seconds * 1000 + math.floor(microseconds / 1000)
end

--- Tell what happened at a time, else now: the sidecar need not read it at once to know when that was. `by` says who
--- made a change.
function M.tell(method, params, at, by)
  local hint = by or {}
  hint.at = at or M.now()
  params.overt = hint
  send({ method = method, params = params })
end

--- Send a request; `callback(result, error)` is called in the main loop, also when the sidecar goes.
function M.request(method, params, callback)
  if not stdin then
    callback(nil, { message = "the sidecar is not running" })
    return
  end
  next_id = next_id + 1
  waiting[next_id] = callback
  send({ id = next_id, method = method, params = params })
end

local function receive(message)
  if message.method then
    if message.id ~= nil and message.id ~= vim.NIL then
      send({ id = message.id, result = vim.NIL })
    else
      M.on_notification(message.method, message.params)
    end
    return
  end
  local callback = waiting[message.id]
  if callback then
    waiting[message.id] = nil
    callback(message.result, message.error)
  end
end

-- Answers are few and small: status, refusals, counts.
local function take(data)
  buffered = buffered .. data
  while true do
    local _, head_end, length = buffered:find("Content%-Length: *(%d+).-\r\n\r\n")
    length = tonumber(length)
    if not length or #buffered < head_end + length then
      return
    end
    local body = buffered:sub(head_end + 1, head_end + length)
    buffered = buffered:sub(head_end + length + 1)
    local read, message = pcall(vim.json.decode, body)
    if read and type(message) == "table" then
      receive(message)
    end
  end
end

local function crashed(code, signal)
  drop()
  if uv.now() - started_ms > HEALTHY_MS then
    crashes = 0
  end
  crashes = crashes + 1
  local delay = RESTART_AFTER_MS[crashes]
  if not delay then
    local how = signal ~= 0 and ("by signal " .. signal) or ("with code " .. code)
    move("failed", "the sidecar has ended " .. crashes .. " times, at last " .. how .. "; capture is off.")
    return
  end
  move("crashed")
  local mine = generation
  vim.defer_fn(function()
    if mine == generation and M.state == "crashed" then
      M.launch()
    end
  end, delay)
end

local function initialize()
  local version = vim.version()
  M.request("initialize", {
    processId = uv.os_getpid(),
    clientInfo = { name = "Neovim", version = ("%d.%d.%d"):format(version.major, version.minor, version.patch) },
    rootUri = vim.NIL,
    capabilities = { general = { positionEncodings = { "utf-8" } } },
    initializationOptions = { overt = { status = true, rows = true } },
  }, function(result)
    if not result then
      return
    end
    M.version = (result.serverInfo or {}).version
    M.notify("initialized", vim.empty_dict())
    move("ready")
  end)
end

--- Start the process. Use `start`.
function M.launch()
  local command, found = require("overt.config").overt()
  if not found then
    move("failed", "`" .. command[1] .. "` can't be run; `overt doctor` in a terminal says more.")
    return
  end
  local arguments = vim.list_slice(command, 2)
  arguments[#arguments + 1] = "lsp"
  local out = uv.new_pipe(false)
  stdin, buffered, next_id, waiting = uv.new_pipe(false), "", 0, {}
  generation = generation + 1
  local mine = generation
  local child, problem
  -- Detached: an interrupt in the terminal is for Neovim. It notices by itself when Neovim is gone.
  child, problem = uv.spawn(
    vim.fn.exepath(command[1]),
    { args = arguments, stdio = { stdin, out, nil }, detached = true },
    vim.schedule_wrap(function(code, signal)
      out:close()
      child:close()
      if mine == generation then
        crashed(code, signal)
      end
    end)
  )
  process = child
  if not child then
    out:close()
    fail("the sidecar could not be started: " .. tostring(problem) .. ".")
    return
  end
  started_ms = uv.now()
  move("starting")
  out:read_start(function(_, data)
    if data then
      vim.schedule(function()
        if mine == generation then
          take(data)
        end
      end)
    end
  end)
  initialize()
end

--- Start, unless it runs already.
function M.start()
  if M.state == "stopped" or M.state == "failed" then
    crashes = 0
    M.launch()
  end
end

--- End it; with `wait`, once everything is on disk.
function M.stop(wait)
  if M.state == "stopped" then
    return
  end
  if stdin then
    local done = false
    local closing = stdin
    M.request("shutdown", nil, function()
      done = true
    end)
    M.notify("exit", nil)
    if wait then
      vim.wait(LEAVE_MS, function()
        return done
      end, 5)
    elseif not closing:is_closing() then
      -- What was written arrives before the end of input.
      stdin = nil
      closing:shutdown(function()
        if not closing:is_closing() then
          closing:close()
        end
      end)
    end
  end
  drop()
  move("stopped")
end

--- Set the delays before restarts, in milliseconds.
function M.delays(milliseconds)
  RESTART_AFTER_MS = milliseconds
end

--- The process id of the sidecar, if it runs.
function M.pid()
  return process and process:get_pid() or nil
end

return M
