-- Reads a part of a quarantine stream, or counts what is in it. Nothing is written.
--
-- KEYS  the stream, which may be missing
-- ARGV  1, 2  from which id, with ( in front after it, to which
--       3     the reason of those that are wanted; none: all
--       4     at how many entries it looks, at most
--       5     at how many bytes of raw, at most, unless the first has more
--       6     how many entries it returns, at most; 0: it counts them
--       7     1: with raw; 0: the number of its bytes stands there
--
-- Returns a list: the id after which to go on, none when there is no more; then of each entry a list: its id, names and
-- values. Or, when counting, of each reason a list: it, how many, their bytes, the id of the oldest.
local stream, from, to, reason = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local looks, bytes, most, is_whole = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6]), ARGV[7] == '1'

local reply, counts, seen = {''}, {}, 0

-- The values of an entry by their names, and where raw stands.
local function named(list)
    local values, at = {}, nil
    for i = 1, #list, 2 do
        values[list[i]] = list[i + 1]
        if list[i] == 'raw' then at = i + 1 end
    end
    return values, at
end

local function count(id, why, size)
    local row = counts[why]
    if not row then
        row = {why, 0, 0, id}
        counts[why] = row
        reply[#reply + 1] = row
    end
    row[2], row[3] = row[2] + 1, row[3] + size
end

for look = 1, looks + 1 do
    local page = redis.pcall('XRANGE', stream, from, to, 'COUNT', 1) -- one: each may have megabytes
    if page.err then return page end
    if not page[1] then return reply end
    local id, list = page[1][1], page[1][2]
    local values, at = named(list)
    local why, size = values.reason or '', #(values.raw or '')
    seen = seen + size
    if look > looks or (look > 1 and seen > bytes) or (most > 0 and #reply > most) then break end
    if reason == '' or reason == why then
        if most == 0 then
            count(id, why, size)
        else
            if at and not is_whole then list[at] = tostring(size) end
            reply[#reply + 1] = {id, list}
        end
    end
    from = '(' .. id
end
reply[1] = from:sub(1, 1) == '(' and from:sub(2) or ''
return reply
