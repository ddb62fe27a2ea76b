-- What the person may set. Nothing here starts capture: that takes `:Overt enable` and a study that was joined.
local M = {}

local defaults = {
  -- How the sidecar is started. Nil: what `overt setup neovim` wrote down, else `overt` on PATH.
  command = nil,
  -- Shown by `statusline()`, by state.
  signs = { captured = "● overt", elsewhere = "○ overt", paused = "‖ overt", off = "overt off" },
  -- Where the sign is shown while no statusline shows it: a corner of the screen. There is no way to show none.
  corner = "NE",
}

M.options = vim.deepcopy(defaults)

--- Take over the person's options; unknown ones are named, not ignored.
function M.set(options)
  options = options or {}
  for name in pairs(options) do
    if defaults[name] == nil and name ~= "command" then
      vim.notify("overt: no such option: " .. tostring(name), vim.log.levels.WARN)
    end
  end
  M.options = vim.tbl_deep_extend("force", vim.deepcopy(defaults), options)
end

local function installed()
  local found, command = pcall(require, "overt.installed")
  return found and command or nil
end

--- Give the command that starts overt itself, as a list, and whether it can be run.
function M.overt()
  local command = M.options.command or vim.g.overt_command or installed() or { "overt" }
  if type(command) == "string" then
    command = { command }
  end
  return command, vim.fn.executable(command[1]) == 1
end

local function state_file()
  return vim.fn.stdpath("data") .. "/overt/enabled"
end

--- Whether the person enabled overt in this Neovim, in this session or an earlier one.
function M.enabled()
  return vim.loop.fs_stat(state_file()) ~= nil
end

--- Remember what the person chose; gives an error text when it can't be written down.
function M.remember(enabled)
  local path = state_file()
  if not enabled then
    os.remove(path)
    return nil
  end
  vim.fn.mkdir(vim.fn.fnamemodify(path, ":h"), "p", 448) -- 0700
  local file, problem = io.open(path, "w")
  if not file then
    return problem
  end
  file:write("`:Overt enable` made this file; `:Overt disable` removes it.\n")
  file:close()
  return nil
end

return M
