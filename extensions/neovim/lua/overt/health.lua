-- `:checkhealth overt`.
local M = {}

local health = vim.health or require("health")
local report = {
  start = health.start or health.report_start,
  ok = health.ok or health.report_ok,
  warn = health.warn or health.report_warn,
  error = health.error or health.report_error,
  info = health.info or health.report_info,
}

local function neovim()
  report.start("overt: Neovim")
  local version = vim.version()
  local words = ("Neovim %d.%d.%d"):format(version.major, version.minor, version.patch)
  if vim.fn.has("nvim-0.7") == 1 then
    report.ok(words)
  else
    report.error(words .. " is too old", { "overt needs 0.7 or later." })
  end
  report.info("The plugin is version " .. require("overt.version") .. ".")
end

local function plugin()
  report.start("overt: the plugin")
  local config, sidecar = require("overt.config"), require("overt.sidecar")
  local command, found = config.overt()
  if found then
    report.ok("The sidecar is `" .. table.concat(command, " ") .. " lsp` (" .. vim.fn.exepath(command[1]) .. ").")
  else
    report.error("`" .. command[1] .. "` can't be run.", {
      "Install overt, and run `overt setup neovim`.",
      "Or name it: require('overt').setup({ command = '/path/to/overt' })",
    })
  end
  if not config.enabled() then
    report.warn("overt is not enabled in Neovim: nothing is captured.", { "`:Overt enable` starts it." })
  elseif sidecar.state == "ready" then
    report.ok("The sidecar runs, version " .. tostring(sidecar.version) .. ".")
    if sidecar.version ~= require("overt.version") then
      report.warn("Plugin and sidecar differ in version.", { "`overt setup neovim` renews the plugin." })
    end
  else
    report.error("The sidecar does not run: " .. (sidecar.problem or sidecar.state), {
      "`:Overt enable` tries again; `overt doctor` in a terminal says more.",
    })
  end
end

local function capture()
  report.start("overt: capture")
  local status = require("overt").status()
  if status.state == "captured" or status.state == "elsewhere" then
    report.ok("Capture is on; files captured in this Neovim: " .. require("overt.buffer").count() .. ".")
  elseif status.state == "paused" then
    report.info("Capture is paused; `:Overt resume` ends the pause.")
  else
    report.info("Nothing is captured.")
  end
  for _, reason in ipairs(status.reasons) do
    report.info(reason)
  end
end

-- What overt itself finds wrong on this machine.
local function doctor()
  local command, found = require("overt.config").overt()
  if not found then
    return
  end
  report.start("overt: doctor")
  local out = vim.fn.system(vim.list_extend(vim.deepcopy(command), { "doctor", "--json" }))
  local read, checks = pcall(vim.json.decode, (out:match("%b[]") or ""))
  if not read or type(checks) ~= "table" then
    report.error("`overt doctor` gave no answer.", { "Run it in a terminal." })
    return
  end
  for _, check in ipairs(checks) do
    local words = check.check .. ": " .. check.detail
    if check.ok then
      report.ok(words)
    else
      report.error(words, check.hint and check.hint ~= "" and { check.hint } or nil)
    end
  end
end

--- Neovim calls this.
function M.check()
  neovim()
  plugin()
  capture()
  doctor()
end

return M
