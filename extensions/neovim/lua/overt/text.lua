-- From two versions of some lines to the changes between them. Pure: strings in, tables out; columns count bytes.
local M = {}

-- How much two strings share at their beginning, in whole UTF-8 characters.
local function common_head(old, new)
  local limit = math.min(#old, #new)
  local low, high = 0, limit
  if old:sub(1, limit) == new:sub(1, limit) then
    low = limit
  else
    while low < high do
      local middle = math.floor((low + high + 1) / 2)
      if old:sub(1, middle) == new:sub(1, middle) then
        low = middle
      else
        high = middle - 1
      end
    end
  end
  local function inside(text)
    local byte = text:byte(low + 1)
    return byte and byte >= 0x80 and byte < 0xC0
  end
  while low > 0 and (inside(old) or inside(new)) do
    low = low - 1
  end
  return low
end

-- The same at their end, without the first `taken` bytes of either.
local function common_tail(old, new, taken)
  local low, high = 0, math.min(#old, #new) - taken
  while low < high do
    local middle = math.floor((low + high + 1) / 2)
    if old:sub(-middle) == new:sub(-middle) then
      low = middle
    else
      high = middle - 1
    end
  end
  local function inside(text)
    local byte = text:byte(#text - low + 1)
    return byte and byte >= 0x80 and byte < 0xC0
  end
  while low > 0 and (inside(old) or inside(new)) do
    low = low - 1
  end
  return low
end

local function change(from_line, from_column, to_line, to_column, text)
  return {
    range = {
      start = { line = from_line, character = from_column },
      ["end"] = { line = to_line, character = to_column },
    },
    text = text,
  }
end

--- The change within one line; `hint` is {column, old bytes, new bytes} as Neovim told it, where it did.
--- It matters where letters repeat: the second of two equal letters is not the first.
function M.within(line, old, new, hint)
  if old == new then
    return nil
  end
  if hint and #old - hint[2] == #new - hint[3] then
    local head, tail = hint[1], #old - hint[1] - hint[2]
    if tail >= 0 and old:sub(1, head) == new:sub(1, head) and old:sub(#old - tail + 1) == new:sub(#new - tail + 1) then
      return change(line, head, line, #old - tail, new:sub(head + 1, #new - tail))
    end
  end
  local head = common_head(old, new)
  local tail = common_tail(old, new, head)
  return change(line, head, line, #old - tail, new:sub(head + 1, #new - tail))
end

-- Lines that became other lines, some of each.
local function replaced(first, old, new, eol)
  local head, tail, shared = 0, 0, math.min(#old, #new)
  while head < shared - 1 and old[head + 1] == new[head + 1] do
    head = head + 1
  end
  while tail < shared - head - 1 and old[#old - tail] == new[#new - tail] do
    tail = tail + 1
  end
  local was = table.concat(old, eol, head + 1, #old - tail)
  local is = table.concat(new, eol, head + 1, #new - tail)
  local same = common_head(was, is)
  local rest = common_tail(was, is, same)
  if #eol == 2 then -- never between the two characters of a line end
    local function splits(text, at)
      return text:sub(at, at + 1) == eol
    end
    while same > 0 and (splits(was, same) or splits(is, same)) do
      same = same - 1
    end
    while rest > 0 and (splits(was, #was - rest) or splits(is, #is - rest)) do
      rest = rest - 1
    end
  end
  local function place(at)
    local before = was:sub(1, at)
    local _, breaks = before:gsub("\n", "")
    return first + head + breaks, #before:match("[^\n]*$")
  end
  local from_line, from_column = place(same)
  local to_line, to_column = place(#was - rest)
  return change(from_line, from_column, to_line, to_column, is:sub(same + 1, #is - rest))
end

--- The changes that turn lines `first` to `last` (counted from 0, not included) of `lines` into `new`.
---
--- `ends` says whether the last line of the document has a line end. Columns are those of the text as it is when a
--- change is applied, one after the other.
function M.changes(lines, first, last, new, eol, ends, hint)
  local count = #lines
  last = math.min(last, count)
  if last > first and #new == last - first then
    local found = {}
    for at = 1, #new do
      found[#found + 1] = M.within(first + at - 1, lines[first + at], new[at], #new == 1 and hint or nil)
    end
    return found
  elseif last > first and #new > 0 then
    return { replaced(first, vim.list_slice(lines, first + 1, last), new, eol) }
  elseif #new > 0 then
    local text = table.concat(new, eol)
    if first < count or ends or count == 0 then
      return { change(first, 0, first, 0, (first < count or ends) and text .. eol or text) }
    end
    local width = #lines[count]
    return { change(count - 1, width, count - 1, width, eol .. text) }
  elseif last > first then
    if last < count or ends or first == 0 then
      local whole = last == count and not ends
      return { change(first, 0, whole and last - 1 or last, whole and #lines[last] or 0, "") }
    end
    return { change(first - 1, #lines[first], last - 1, #lines[last], "") }
  end
  return {}
end

return M
