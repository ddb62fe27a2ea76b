-- `:Overt` and its subcommands.
local config = require("overt.config")

local M = {}

local DEFAULT_FORGET_MINUTES = 10

local function say(words)
  vim.notify("overt: " .. words)
end

local function minutes_of(argument)
  if argument == nil then
    return nil
  end
  local count = tonumber(argument)
  if not count or count <= 0 then
    error("how many minutes? `" .. argument .. "` is no number above 0", 0)
  end
  return count
end

local function plural(count, word)
  return count .. " " .. word .. (count == 1 and "" or "s")
end

local function at(ms)
  return os.date("%H:%M", math.floor(ms / 1000))
end

-- Run an overt command beside Neovim; what it says when it fails is shown.
local function run(arguments)
  local command, found = config.overt()
  if not found then
    error("`" .. command[1] .. "` can't be run", 0)
  end
  local words = {}
  local function collect(_, lines)
    for _, line in ipairs(lines) do
      if line ~= "" then
        words[#words + 1] = line
      end
    end
  end
  vim.fn.jobstart(vim.list_extend(vim.deepcopy(command), arguments), {
    detach = true,
    on_stderr = collect,
    on_exit = function(_, code)
      if code ~= 0 then
        local last = words[1] or ("it ended with code " .. code)
        vim.notify("overt " .. table.concat(arguments, " ") .. ": " .. last, vim.log.levels.WARN)
      end
    end,
  })
end

local SENTENCES = {
  captured = "capture is on, and this file is captured.",
  elsewhere = "capture is on; this file is not captured.",
  paused = "capture is paused; `:Overt resume` ends the pause.",
  off = "nothing is captured.",
}

local actions = {
  enable = function(overt)
    overt.enable()
  end,
  disable = function(overt)
    overt.disable()
    say("off. Nothing is captured in Neovim until `:Overt enable`.")
  end,
  pause = function(overt, argument)
    local minutes = minutes_of(argument)
    overt.ask("overt/pause", minutes and { minutes = minutes }, function(status)
      local till = type(status.pausedUntilMs) == "number" and ("until " .. at(status.pausedUntilMs))
      say("paused on this machine, " .. (till or "until `:Overt resume`") .. ".")
    end)
  end,
  resume = function(overt)
    overt.ask("overt/resume", nil, function(status)
      say(status.state == "capturing" and "capture goes on." or "the pause has ended; " .. SENTENCES.off)
      overt.check_all()
    end)
  end,
  forget = function(overt, argument)
    local minutes = minutes_of(argument) or DEFAULT_FORGET_MINUTES
    overt.ask("overt/forget", { minutes = minutes }, function(answer)
      say(plural(answer.events, "event") .. " of the last " .. plural(minutes, "minute") .. " forgotten.")
      overt.check_all()
    end)
  end,
  review = function()
    run({ "review" })
  end,
  why = function(overt)
    local uri = require("overt.buffer").uri(vim.api.nvim_get_current_buf())
    overt.ask("overt/why", { uri = uri }, function(answer)
      local words = { answer.captured and "this file is captured." or "this file is not captured." }
      for _, refusal in ipairs(answer.refusals) do
        words[#words + 1] = refusal.detail .. " [" .. refusal.code .. "]"
      end
      say(table.concat(words, "\n  "))
    end)
  end,
  status = function(overt)
    local status = overt.status()
    local words = { status.state and SENTENCES[status.state] or "" }
    vim.list_extend(words, status.reasons)
    if status.state == "off" and require("overt.sidecar").state == "failed" then
      words[#words + 1] = "`:Overt enable` tries again."
    end
    say((table.concat(words, "\n  "):gsub("^\n  ", "")))
  end,
}
M.actions = actions

--- Run `:Overt SUBCOMMAND [MINUTES]`.
function M.run(call)
  local name, argument = call.fargs[1] or "status", call.fargs[2]
  local action = actions[name]
  if not action then
    vim.notify("overt: no such subcommand: " .. name .. "; try " .. table.concat(M.names(""), ", "), vim.log.levels.ERROR)
    return
  end
  local done, problem = pcall(action, require("overt"), argument)
  if not done then
    vim.notify("overt: " .. problem, vim.log.levels.ERROR)
  end
end

--- The subcommands that begin with `start`.
function M.names(start)
  local found = {}
  for name in pairs(actions) do
    if vim.startswith(name, start) then
      found[#found + 1] = name
    end
  end
  table.sort(found)
  return found
end

--- Complete the command line.
function M.complete(start, line)
  local before = vim.split(line:sub(1, #line - #start), "%s+", { trimempty = true })
  if #before == 1 then
    return M.names(start)
  elseif #before == 2 and (before[2] == "pause" or before[2] == "forget") then
    return vim.tbl_filter(function(each)
      return vim.startswith(each, start)
    end, { "10", "15", "60" })
  end
  return {}
end

return M
