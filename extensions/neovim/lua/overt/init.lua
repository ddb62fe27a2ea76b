-- overt for Neovim: what a statusline, a configuration or a mapping may call.
local api = vim.api
local activity = require("overt.activity")
local buffer = require("overt.buffer")
local config = require("overt.config")
local origin = require("overt.origin")
local sidecar = require("overt.sidecar")
local sign = require("overt.sign")

local M = {}

local status -- as the sidecar last told it
local watching -- the group of autocommands, while capture is on
local told -- the last message, so that it is said once

local function say(words, level)
  vim.notify("overt: " .. words, level or vim.log.levels.INFO)
end

-- Unasked for: said once, and on one line, since a longer one would stop the person with "Press ENTER".
local function say_once(words)
  if told ~= words then
    told = words
    say(vim.fn.strcharpart(words, 0, math.max(vim.v.echospace - 8, 30)), vim.log.levels.WARN)
  end
end

--- Give what is so now: `state` is "captured" (this file), "elsewhere" (capture is on, not in this file), "paused",
--- "off", or nil where overt is not enabled; `reasons` say why not, one sentence each.
function M.status()
  if not config.enabled() then
    return { state = nil, reasons = { "overt is not enabled in Neovim; `:Overt enable` does it." } }
  elseif sidecar.state ~= "ready" or not status then
    return { state = "off", reasons = { sidecar.problem or "the sidecar is not running." } }
  end
  local reasons = {}
  if status.state ~= "capturing" then
    for _, reason in ipairs(status.reasons) do
      reasons[#reasons + 1] = reason.detail
    end
    return { state = status.state, reasons = reasons, pausedUntilMs = status.pausedUntilMs }
  end
  local current = api.nvim_get_current_buf()
  for _, reason in ipairs(buffer.refusals[current] or {}) do
    reasons[#reasons + 1] = reason.detail
  end
  return { state = buffer.captured(current) and "captured" or "elsewhere", reasons = reasons }
end

-- Drawn often: only what costs nothing.
local enabled = false
local function short_state()
  if not enabled then
    return nil
  elseif sidecar.state ~= "ready" or not status then
    return "off"
  elseif status.state ~= "capturing" then
    return status.state
  end
  return buffer.captured(api.nvim_get_current_buf()) and "captured" or "elsewhere"
end

--- The sign, for a statusline: "● overt" while this file is captured, "○ overt" while others are, "‖ overt" in a
--- pause, "overt off" otherwise, and nothing where overt is not enabled.
function M.statusline()
  local state = short_state()
  return state and sign.words(state) or ""
end

local function show()
  sign.show(short_state())
end

local function check(number)
  buffer.check(number, show)
end

local function check_all()
  for _, number in ipairs(api.nvim_list_bufs()) do
    check(number)
  end
end

local function watch()
  if watching then
    return
  end
  watching = api.nvim_create_augroup("overt_watch", { clear = true })
  local function on(events, act)
    api.nvim_create_autocmd(events, {
      group = watching,
      callback = function(event)
        act(event.buf)
      end,
    })
  end
  on({ "BufWinEnter", "BufEnter" }, check)
  on("BufReadPost", buffer.reloaded)
  on("BufUnload", buffer.unloaded)
  on("BufFilePost", function(number)
    buffer.renamed(number)
    check(number)
  end)
  on("BufWritePre", function(number)
    buffer.flush()
    origin.saving(buffer.captured(number))
  end)
  on("BufWritePost", function(number)
    buffer.flush()
    origin.saving(false)
    buffer.saved(number)
    check(number)
  end)
  on({ "FileChangedShellPost" }, buffer.reloaded)
  on({ "TabEnter", "VimResized", "WinEnter" }, show)
  origin.start(buffer.flush, buffer.soon)
  activity.start(watching)
end

local function unwatch()
  if watching then
    api.nvim_del_augroup_by_id(watching)
    watching = nil
    origin.stop()
    activity.stop()
  end
end

sidecar.on_state = function(state)
  if state ~= "ready" then
    unwatch()
    buffer.forget_all()
    status = nil
  end
  if state == "failed" then
    say_once("capture is off, the sidecar does not run. `:Overt status` says why.")
  end
  show()
end

sidecar.on_notification = function(method, params)
  if method ~= "overt/statusChanged" then
    return
  end
  status = params
  if params.state == "capturing" then
    told = nil
    watch()
    check_all()
  else
    buffer.close_all()
    unwatch()
  end
  show()
end

--- Set options (see |overt-options|). Optional; starts nothing.
function M.setup(options)
  config.set(options)
end

--- Start the sidecar, now and whenever Neovim starts. Captures nothing before a study was joined.
function M.enable()
  local problem = config.remember(true)
  if problem then
    say("it can't be remembered that overt is enabled: " .. problem, vim.log.levels.WARN)
  end
  enabled, told = true, nil
  sidecar.start()
end

--- End the sidecar, now and for later.
function M.disable()
  config.remember(false)
  enabled = false
  buffer.close_all()
  unwatch()
  sidecar.stop(false)
  status = nil
  show()
end

--- Start the sidecar if the person once enabled overt; the plugin calls it when Neovim has started.
function M.begin()
  enabled = config.enabled()
  if enabled then
    sidecar.start()
  end
end

--- Bring everything to disk and end; the plugin calls it when Neovim ends.
function M.leave()
  if sidecar.state == "ready" then
    buffer.flush()
    unwatch()
    sidecar.stop(true)
  end
end

--- Ask the sidecar; `callback(result)` is called on success, and what is wrong is said.
function M.ask(method, params, callback)
  if sidecar.state ~= "ready" then
    say(sidecar.problem or "the sidecar is not running; `:Overt enable` starts it.", vim.log.levels.WARN)
    return
  end
  buffer.flush()
  sidecar.request(method, params, function(result, problem)
    if problem then
      say(problem.message or "the sidecar did not answer", vim.log.levels.WARN)
      return
    end
    callback(result)
  end)
end

--- Look again which buffers are captured, as after forgetting.
M.check_all = check_all

return M
