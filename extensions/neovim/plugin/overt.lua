-- Neovim loads this file at start. It defines `:Overt`, and starts the sidecar only if the person once said
-- `:Overt enable`.
if vim.g.loaded_overt then
  return
end
vim.g.loaded_overt = true
if vim.fn.has("nvim-0.7") == 0 then
  vim.notify("overt needs Neovim 0.7 or later.", vim.log.levels.WARN)
  return
end

vim.api.nvim_create_user_command("Overt", function(call)
  require("overt.command").run(call)
end, {
  nargs = "*",
  desc = "Capture of how you work, with your consent: status, pause, forget ...",
  complete = function(...)
    return require("overt.command").complete(...)
  end,
})

local group = vim.api.nvim_create_augroup("overt", { clear = true })
local function begin()
  -- After the first screen: whoever opens an editor wants to see the file.
  vim.schedule(function()
    require("overt").begin()
  end)
end
if vim.v.vim_did_enter == 1 then
  begin()
else
  vim.api.nvim_create_autocmd("VimEnter", { group = group, once = true, callback = begin })
end
vim.api.nvim_create_autocmd("VimLeavePre", {
  group = group,
  callback = function()
    if package.loaded["overt"] then
      require("overt").leave()
    end
  end,
})
