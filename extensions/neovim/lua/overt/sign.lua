-- The sign. Where the person has put it into a statusline, that is where it is; else it stands in a corner of the
-- screen, because nothing is ever captured without a sign.
local api = vim.api
local config = require("overt.config")

local M = {}

-- A statusline that was drawn within this time shows the sign.
local DRAWN_MS = 1500

local drawn_ms = -math.huge
local window, scratch

local function close()
  if window and api.nvim_win_is_valid(window) then
    api.nvim_win_close(window, true)
  end
  window = nil
end

local function open(words)
  if not scratch or not api.nvim_buf_is_valid(scratch) then
    scratch = api.nvim_create_buf(false, true)
  end
  api.nvim_buf_set_lines(scratch, 0, -1, false, { " " .. words .. " " })
  local corner = config.options.corner
  local place = {
    relative = "editor",
    anchor = corner,
    row = corner:sub(1, 1) == "N" and 0 or vim.o.lines - vim.o.cmdheight - 1,
    col = corner:sub(2, 2) == "W" and 0 or vim.o.columns,
    width = vim.fn.strdisplaywidth(words) + 2,
    height = 1,
    style = "minimal",
    focusable = false,
    zindex = 10,
  }
  if window and api.nvim_win_is_valid(window) and api.nvim_win_get_tabpage(window) == api.nvim_get_current_tabpage() then
    api.nvim_win_set_config(window, place)
    return
  end
  close()
  place.noautocmd = true
  window = api.nvim_open_win(scratch, false, place)
  vim.wo[window].winhighlight = "Normal:StatusLine"
end

--- The sign's words, for a statusline. Remembers that a statusline shows them.
function M.words(state)
  drawn_ms = vim.loop.now()
  return config.options.signs[state] or ""
end

--- Show what is so now: `state` is nil where overt is not enabled.
function M.show(state)
  if #api.nvim_list_uis() == 0 then
    return
  end
  pcall(vim.cmd, "redrawstatus!")
  vim.defer_fn(function()
    local shown_elsewhere = vim.loop.now() - drawn_ms < DRAWN_MS
    local capturing = state == "captured" or state == "elsewhere"
    if capturing and not shown_elsewhere then
      pcall(open, config.options.signs[state])
    else
      close()
    end
  end, 50)
end

return M
